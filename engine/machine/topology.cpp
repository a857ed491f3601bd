// Asks hwloc for cores and caches, and the system for the microcode's revision.
#include "engine/machine/topology.h"

#include <hwloc.h>

#include <memory>
#include <thread>

#include "engine/machine/limits.h"

namespace siskin {
namespace {

struct TopologyDeleter {
  void operator()(hwloc_topology_t topology) const { hwloc_topology_destroy(topology); }
};
using TopologyHandle = std::unique_ptr<std::remove_pointer_t<hwloc_topology_t>, TopologyDeleter>;

TopologyHandle load_topology() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) return nullptr;
  TopologyHandle topology(raw);
  // Devices are of no interest here and take long to find.
  hwloc_topology_set_io_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_NONE);
  return hwloc_topology_load(raw) == 0 ? std::move(topology) : nullptr;
}

std::string microcode_revision() {
  std::string revision = read_small_file("/sys/devices/system/cpu/cpu0/microcode/version");
  if (revision.empty()) {
    const std::string cpuinfo = read_small_file("/proc/cpuinfo");
    const size_t key = cpuinfo.find("\nmicrocode");
    const size_t colon = key == std::string::npos ? key : cpuinfo.find(':', key);
    if (colon != std::string::npos) revision = cpuinfo.substr(colon + 1, cpuinfo.find('\n', colon) - colon - 1);
  }
  std::erase_if(revision, [](char c) { return c == ' ' || c == '\n' || c == '\t'; });
  return revision;
}

}  // namespace

Topology read_topology() {
  Topology result;
  result.microcode = microcode_revision();
  const TopologyHandle topology = load_topology();
  if (topology) {
    result.cores = static_cast<unsigned>(std::max(hwloc_get_nbobjs_by_type(topology.get(), HWLOC_OBJ_CORE), 0));
    for (hwloc_obj_type_t type : {HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L2CACHE, HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L4CACHE}) {
      const hwloc_obj_t cache = hwloc_get_obj_by_type(topology.get(), type, 0);
      if (cache == nullptr || cache->attr->cache.size == 0) continue;
      const int sharing = hwloc_get_nbobjs_inside_cpuset_by_type(topology.get(), cache->cpuset, HWLOC_OBJ_CORE);
      result.caches.push_back({cache->attr->cache.depth, static_cast<size_t>(cache->attr->cache.size),
                               static_cast<unsigned>(std::max(sharing, 1))});
    }
  }
  if (result.cores == 0) result.cores = std::max(std::thread::hardware_concurrency(), 1u);
  return result;
}

}  // namespace siskin
