//! Logging and metrics.

pub mod logging;
pub mod metrics;
pub mod process;
pub mod throttle;

pub use metrics::Metrics;
