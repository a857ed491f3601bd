// Ctrl-C as a flag: work in progress looks at it, stops cleanly and keeps what was measured.
#pragma once

namespace siskin::cli {

inline constexpr int kInterruptedExit = 130;

// From here on the first Ctrl-C sets the flag; a second one ends the process at once.
void catch_interrupts();
bool interrupted() noexcept;

}  // namespace siskin::cli
