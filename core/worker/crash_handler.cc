#include "core/worker/crash_handler.h"

#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <cstring>

namespace manta::worker {

namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr std::size_t kStackBytes = 64 * 1024;
constexpr std::uint64_t kNearStack = 64 * 1024;  // what one frame may step over

net::CrashRecord* crash_record = nullptr;
pid_t process = 0;
std::atomic<pid_t> crashed_thread{0};
volatile sig_atomic_t crashed_with = 0;

pid_t this_thread() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

void end_by(int signal) {
  struct sigaction otherwise = {};
  otherwise.sa_handler = SIG_DFL;
  ::sigaction(signal, &otherwise, nullptr);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(signal);
}

void on_time_over(int) { end_by(crashed_with); }

// CRASH-1.
void limit_time() {
  struct sigaction action = {};
  action.sa_handler = &on_time_over;
  ::sigaction(SIGALRM, &action, nullptr);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGALRM);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::alarm(1);
}

struct Registers {
  std::uint64_t instruction = 0;
  std::uint64_t stack = 0;
};

Registers registers_of(const void* context) {
  [[maybe_unused]] const mcontext_t& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return {static_cast<std::uint64_t>(machine.gregs[REG_RIP]), static_cast<std::uint64_t>(machine.gregs[REG_RSP])};
#elif defined(__aarch64__)
  return {machine.pc, machine.sp};
#else
  return {};
#endif
}

// The module's place among those of the record; kNoModule: the record is full.
std::uint8_t module_named(const char* name) {
  std::uint32_t end = 0;
  for (std::uint32_t i = 0; i < crash_record->module_count; ++i) {
    const char* known = crash_record->names + crash_record->module_names[i];
    if (std::strcmp(known, name) == 0) return static_cast<std::uint8_t>(i);
    end = crash_record->module_names[i] + static_cast<std::uint32_t>(std::strlen(known)) + 1;
  }
  const std::size_t length = std::strlen(name) + 1;
  if (crash_record->module_count == net::CrashRecord::kModules || end + length > net::CrashRecord::kNameBytes) {
    return net::CrashRecord::kNoModule;
  }
  std::memcpy(crash_record->names + end, name, length);
  crash_record->module_names[crash_record->module_count] = end;
  return static_cast<std::uint8_t>(crash_record->module_count++);
}

void add_frame(std::uint64_t address) {
  std::uint64_t& offset = crash_record->offsets[crash_record->frame_count];
  std::uint8_t& module = crash_record->modules[crash_record->frame_count++];
  offset = address;
  module = net::CrashRecord::kNoModule;
#ifdef DLFO_STRUCT_HAS_EH_DBASE  // the C library has it
  dl_find_object found;
  if (::_dl_find_object(reinterpret_cast<void*>(address), &found) != 0 || found.dlfo_link_map == nullptr) return;
  offset = address - found.dlfo_link_map->l_addr;
  module = module_named(found.dlfo_link_map->l_name);
#endif
}

struct Walk {
  std::uint64_t from = 0;  // frames before it are the handler's
  bool began = false;
};

_Unwind_Reason_Code on_frame(_Unwind_Context* context, void* argument) {
  auto& walk = *static_cast<Walk*>(argument);
  int exact = 0;  // else it is where a call returns to
  const auto address = static_cast<std::uint64_t>(_Unwind_GetIPInfo(context, &exact));
  walk.began = walk.began || address == walk.from;
  if (!walk.began) return _URC_NO_REASON;
  add_frame(exact != 0 || address == 0 ? address : address - 1);
  return crash_record->frame_count < net::CrashRecord::kFrames ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void write_record(int signal, const siginfo_t& info, const void* context) {
  crash_record->complete.store(false, std::memory_order_relaxed);
  crash_record->signal = signal;
  crash_record->process = process;
  crash_record->frame_count = 0;
  crash_record->module_count = 0;
  const Registers registers = registers_of(context);
  const auto fault = reinterpret_cast<std::uint64_t>(info.si_addr);
  crash_record->stack_overflow =
      signal == SIGSEGV && info.si_code > 0 && fault < registers.stack + 4096 && fault + kNearStack > registers.stack;
  Walk walk{registers.instruction};
  _Unwind_Backtrace(&on_frame, &walk);
  // A call of a null pointer.
  if (crash_record->frame_count == 1 && registers.instruction == 0 && registers.stack != 0) {
    std::uint64_t caller = 0;
    std::memcpy(&caller, reinterpret_cast<const void*>(registers.stack), sizeof caller);
    add_frame(caller - 1);
  }
  crash_record->complete.store(true, std::memory_order_release);
}

[[maybe_unused]] void on_crash(int signal, siginfo_t* info, void* context) {
  pid_t nobody = 0;
  const pid_t self = this_thread();
  if (::getpid() != process) return end_by(signal);  // a child that the program forked
  if (!crashed_thread.compare_exchange_strong(nobody, self)) {
    if (nobody == self) return end_by(crashed_with);  // in this handler
    for (;;) ::pause();                               // the first thread ends the process
  }
  crashed_with = signal;
  limit_time();
  write_record(signal, *info, context);
  end_by(signal);
}

}  // namespace

void install_crash_handler(net::CrashRecord& to) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  (void)to;
#else
  crash_record = &to;
  process = ::getpid();
  struct sigaction action = {};
  action.sa_sigaction = &on_crash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (const int signal : kSignals) {
    struct sigaction present = {};
    if (::sigaction(signal, nullptr, &present) != 0) continue;
    if ((present.sa_flags & SA_SIGINFO) == 0 && present.sa_handler == SIG_DFL) ::sigaction(signal, &action, nullptr);
  }
#endif
}

void use_alternate_stack() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  stack_t present = {};
  if (::sigaltstack(nullptr, &present) != 0 || (present.ss_flags & SS_DISABLE) == 0) return;  // the program's
  void* memory = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return;  // then a stack overflow leaves no crash_record
  stack_t stack = {};
  stack.ss_sp = memory;
  stack.ss_size = kStackBytes;
  if (::sigaltstack(&stack, nullptr) != 0) ::munmap(memory, kStackBytes);
#endif
}

}  // namespace manta::worker
