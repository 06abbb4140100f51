#include "petavox/isolation/confine.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace petavox::isolation {
namespace {

void set_limit(int what, rlim_t value) {
  const rlimit limit{value, value};
  ::setrlimit(static_cast<__rlimit_resource_t>(what), &limit);
}

#if defined(__x86_64__)
constexpr std::uint32_t this_machine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t this_machine = AUDIT_ARCH_AARCH64;
#elif defined(__powerpc64__)
constexpr std::uint32_t this_machine = AUDIT_ARCH_PPC64LE;
#elif defined(__riscv)
constexpr std::uint32_t this_machine = AUDIT_ARCH_RISCV64;
#else
#error "add this machine's audit number"
#endif

constexpr auto nr_at = static_cast<std::uint32_t>(offsetof(seccomp_data, nr));
constexpr auto arch_at = static_cast<std::uint32_t>(offsetof(seccomp_data, arch));
/// The low half of an argument: flags and process numbers have no more.
constexpr std::uint32_t argument_at(unsigned i) {
  return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * i);
}
constexpr std::uint32_t refuse(int error) {
  return SECCOMP_RET_ERRNO | (static_cast<std::uint32_t>(error) & SECCOMP_RET_DATA);
}

/// A list of rules; what none of them names is allowed.
class Filter {
 public:
  Filter() {
    load(arch_at);
    jump(BPF_JEQ, this_machine, 1, 0);
    answer(SECCOMP_RET_KILL_PROCESS);
    load(nr_at);
#if defined(__x86_64__)
    jump(BPF_JGE, 0x40000000, 0, 1);  // the 32-bit pointer variants of all calls
    answer(refuse(ENOSYS));
#endif
  }
  void deny(long number, int error = EPERM) {
    jump(BPF_JEQ, static_cast<std::uint32_t>(number), 0, 1);
    answer(refuse(error));
  }
  /// Denied if any of `bits` is set in the argument.
  void deny_with(long number, unsigned argument, std::uint32_t bits) {
    rule(number, argument, BPF_JSET, bits, 0, 1);
  }
  void deny_without(long number, unsigned argument, std::uint32_t bits) {
    rule(number, argument, BPF_JSET, bits, 1, 0);
  }
  /// Denied unless the argument is `value`.
  void deny_unless(long number, unsigned argument, std::uint32_t value) {
    rule(number, argument, BPF_JEQ, value, 1, 0);
  }
  bool install() {
    answer(SECCOMP_RET_ALLOW);
    const sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
  }

 private:
  void load(std::uint32_t offset) { code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)); }
  void answer(std::uint32_t action) { code_.push_back(BPF_STMT(BPF_RET | BPF_K, action)); }
  void jump(int test, std::uint32_t value, int if_true, int if_false) {
    code_.push_back(BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), value,
                             static_cast<std::uint8_t>(if_true), static_cast<std::uint8_t>(if_false)));
  }
  void rule(long number, unsigned argument, int test, std::uint32_t value, int if_true, int if_false) {
    jump(BPF_JEQ, static_cast<std::uint32_t>(number), 0, 4);
    load(argument_at(argument));
    jump(test, value, if_true, if_false);
    answer(refuse(EPERM));
    load(nr_at);
  }
  std::vector<sock_filter> code_;
};

}  // namespace

void close_all_but(const int* kept, std::size_t num_kept) {
  unsigned from = 3;
  const auto close_range = [](unsigned first, unsigned last) {
    if (first > last) return;
#ifdef SYS_close_range
    if (::syscall(SYS_close_range, first, last, 0) == 0) return;
#endif
    const long most = ::sysconf(_SC_OPEN_MAX);
    for (unsigned fd = first; fd <= last && fd < static_cast<unsigned>(most); ++fd)
      ::close(static_cast<int>(fd));
  };
  for (std::size_t i = 0; i < num_kept; ++i) {
    const auto fd = static_cast<unsigned>(kept[i]);
    if (fd < from) continue;
    close_range(from, fd - 1);
    from = fd + 1;
  }
  close_range(from, ~0U);
}

void limit_resources(std::size_t memory_bytes) {
  set_limit(RLIMIT_CORE, 0);
  set_limit(RLIMIT_FSIZE, 0);
  set_limit(RLIMIT_NOFILE, 64);
  set_limit(RLIMIT_MSGQUEUE, 0);
  // Counts all processes of the user, and binds root to nothing: forbid_side_effects() is the stronger wall.
  set_limit(RLIMIT_NPROC, 1);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // these reserve terabytes
  if (memory_bytes > 0) {
    std::ifstream stream{"/proc/self/statm"};
    std::size_t pages = 0;
    stream >> pages;
    set_limit(RLIMIT_AS, pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + memory_bytes);
  }
#else
  static_cast<void>(memory_bytes);
#endif
}

bool forbid_side_effects() {
  Filter filter;
  const auto self = static_cast<std::uint32_t>(::getpid());
  // Files are read only. O_TMPFILE implies write access.
  constexpr std::uint32_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
  filter.deny_with(SYS_openat, 2, writing);
#ifdef SYS_open
  filter.deny_with(SYS_open, 1, writing);
  for (const long call :
       {SYS_creat, SYS_unlink, SYS_rename, SYS_mkdir, SYS_rmdir, SYS_link, SYS_symlink, SYS_mknod, SYS_chmod,
        SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat, SYS_fork, SYS_vfork})
    filter.deny(call);
#endif
#ifdef SYS_renameat
  filter.deny(SYS_renameat);
#endif
#ifdef SYS_openat2
  filter.deny(SYS_openat2, ENOSYS);
#endif
  // Threads, but no processes. What a new call asks for lies in memory, out of sight: the old one is used
  // instead.
  filter.deny_without(SYS_clone, 0, CLONE_THREAD);
#ifdef SYS_clone3
  filter.deny(SYS_clone3, ENOSYS);
#endif
  for (const long call : {SYS_unlinkat,
                          SYS_renameat2,
                          SYS_mkdirat,
                          SYS_linkat,
                          SYS_symlinkat,
                          SYS_mknodat,
                          SYS_fchmodat,
                          SYS_fchmod,
                          SYS_fchownat,
                          SYS_fchown,
                          SYS_truncate,
                          SYS_ftruncate,
                          SYS_fallocate,
                          SYS_utimensat,
                          SYS_setxattr,
                          SYS_lsetxattr,
                          SYS_fsetxattr,
                          SYS_removexattr,
                          SYS_lremovexattr,
                          SYS_fremovexattr,
                          SYS_mount,
                          SYS_umount2,
                          SYS_pivot_root,
                          SYS_chroot,
                          SYS_swapon,
                          SYS_swapoff,
                          SYS_reboot,
                          SYS_acct,
                          SYS_quotactl,
                          SYS_sethostname,
                          SYS_setdomainname,
                          SYS_init_module,
                          SYS_finit_module,
                          SYS_delete_module,
                          SYS_kexec_load,
                          SYS_settimeofday,
                          SYS_clock_settime,
                          SYS_adjtimex,
                          SYS_clock_adjtime,
                          SYS_execve,
                          SYS_execveat,
                          SYS_unshare,
                          SYS_setns,
                          SYS_open_by_handle_at,
                          SYS_ptrace,
                          SYS_process_vm_readv,
                          SYS_process_vm_writev,
                          SYS_kcmp,
                          SYS_tkill,
                          SYS_rt_sigqueueinfo,
                          SYS_rt_tgsigqueueinfo,
                          SYS_setrlimit,
                          SYS_setpriority,
                          SYS_socket,
                          SYS_socketpair,
                          SYS_shmget,
                          SYS_semget,
                          SYS_msgget,
                          SYS_mq_open,
                          SYS_mq_unlink,
                          SYS_bpf,
                          SYS_perf_event_open,
                          SYS_userfaultfd,
                          SYS_add_key,
                          SYS_request_key,
                          SYS_keyctl,
                          SYS_setuid,
                          SYS_setgid,
                          SYS_setreuid,
                          SYS_setregid,
                          SYS_setresuid,
                          SYS_setresgid,
                          SYS_setgroups,
                          SYS_setfsuid,
                          SYS_setfsgid,
                          SYS_capset})
    filter.deny(call);
#ifdef SYS_fchmodat2
  filter.deny(SYS_fchmodat2);
#else
  filter.deny(452);
#endif
#ifdef SYS_io_uring_setup
  filter.deny(SYS_io_uring_setup, ENOSYS);
#endif
#ifdef SYS_pidfd_open
  filter.deny(SYS_pidfd_open);
  filter.deny(SYS_pidfd_send_signal);
#endif
  filter.deny_unless(SYS_kill, 0, self);
  filter.deny_unless(SYS_tgkill, 0, self);
  filter.deny_unless(SYS_prlimit64, 2, 0);  // asks only
  return filter.install();
}

}  // namespace petavox::isolation
