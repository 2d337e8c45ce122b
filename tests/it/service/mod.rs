//! Under a service manager: what it is told, the socket it passes, and its unit.

mod activation;
mod manager;
mod notify;
mod unit;
mod watchdog;
