//! How the process takes memory from the host.

/// Lets all threads allocate from one arena.
///
/// glibc gives each thread an arena of its own, and what is freed in one serves no other: half as much memory
/// again at the same work, without being faster (docs/decisions/004-one-malloc-arena.md). Other C libraries have
/// no such arenas, and nothing is done there.
///
/// Call it before any other thread is started.
pub fn share_one_arena() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "glibc offers no other way but an environment variable")]
    // SAFETY: mallopt takes two integers and is safe to call while no other thread allocates; see mallopt(3).
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
