//! How the process takes memory from the host, and gives it back.
//!
//! The figures behind it are in docs/decisions/004-malloc.md.

/// What is at least so large is mapped on its own: it goes back to the host when it is freed, and grows without being
/// copied. Large are the buffers of a catch-up, of which there are few; the body of a push is smaller, as a rule, and
/// comes too often for that.
#[cfg(target_env = "gnu")]
const MAPPED_FROM_BYTES: libc::c_int = 1 << 20;
/// So much may lie free at the heap's end for the next pushes; what is beyond goes back to the host.
#[cfg(target_env = "gnu")]
const FREE_AT_END_BYTES: libc::c_int = 2 << 20;

/// Lets all threads allocate from one arena, and large blocks go back to the host.
///
/// glibc gives each thread an arena of its own, and what is freed in one serves no other; and it raises the size from
/// which blocks are mapped to that of the largest one freed. Together that is twice the memory at the same work,
/// without being faster. Other C libraries do neither, and nothing is done there.
///
/// Call it before any other thread is started.
pub fn tune_malloc() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [
        (libc::M_ARENA_MAX, 1),
        (libc::M_MMAP_THRESHOLD, MAPPED_FROM_BYTES),
        (libc::M_TRIM_THRESHOLD, FREE_AT_END_BYTES),
    ] {
        #[expect(unsafe_code, reason = "glibc offers no other way but environment variables")]
        // SAFETY: mallopt takes two integers and is safe to call while no other thread allocates; see mallopt(3).
        unsafe {
            libc::mallopt(parameter, value);
        }
    }
}
