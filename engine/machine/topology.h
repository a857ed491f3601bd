// Cores and caches of this machine, by hwloc.
#pragma once

#include <siskin/machine.h>

#include <string>
#include <vector>

namespace siskin {

struct Topology {
  unsigned cores = 0;              // physical cores that this process may use
  std::vector<CacheLevel> caches;  // data and unified caches, by level; each level as its first cache is
  std::string microcode;           // empty where the system does not tell
};

Topology read_topology();

}  // namespace siskin
