// Ctrl-C as a flag: the handler does nothing but set it.
#include "examples/siskin/cli/interrupt.h"

#include <atomic>
#include <csignal>

namespace siskin::cli {
namespace {

constinit std::atomic<bool> g_interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_interrupt(int) { g_interrupted.store(true, std::memory_order_relaxed); }

}  // namespace

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  // One shot, so that a second Ctrl-C gets through even where a step takes long.
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
}

bool interrupted() noexcept { return g_interrupted.load(std::memory_order_relaxed); }

}  // namespace siskin::cli
