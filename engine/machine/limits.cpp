// Parses the kernel's accounts of affinity, cgroups (version 1 and 2) and memory.
#include "engine/machine/limits.h"

#include <sched.h>
#include <siskin/machine.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

namespace siskin {
namespace {

constexpr const char* kCgroupRoot = "/sys/fs/cgroup";
constexpr uint64_t kNoLimit = uint64_t{1} << 60;  // version 1 writes "unlimited" as 2^63 rounded down to pages

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1);
}

std::optional<int64_t> parse_integer(std::string_view text) {
  text = trimmed(text);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Calls `visit` for each line without its newline.
template <class Visit>
void for_each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    visit(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

// The group's folder and every folder above it, up to the mount. Inside a container the path may name folders that are not
// visible here; those simply do not exist and the mount itself, which then is the container's group, is still asked.
std::vector<std::filesystem::path> folders_upwards(const std::filesystem::path& mount, const std::string& group) {
  std::vector<std::filesystem::path> folders;
  std::filesystem::path relative = std::filesystem::path(group).relative_path();
  while (!relative.empty()) {
    folders.push_back(mount / relative);
    relative = relative.parent_path();
  }
  folders.push_back(mount);
  return folders;
}

template <class T>
void keep_least(std::optional<T>& least, std::optional<T> value) {
  if (value && (!least || *value < *least)) least = value;
}

struct MemoryFiles {
  const char* limit;
  const char* usage;
  const char* droppable[2];  // keys of memory.stat that count file pages: a model's file read twice is among the active ones
};
constexpr MemoryFiles kMemoryV2{"memory.max", "memory.current", {"inactive_file", "active_file"}};
constexpr MemoryFiles kMemoryV1{
    "memory.limit_in_bytes", "memory.usage_in_bytes", {"total_inactive_file", "total_active_file"}};

std::optional<uint64_t> memory_left(const std::filesystem::path& folder, const MemoryFiles& files) {
  const auto limit = parse_memory_limit(read_small_file(folder / files.limit));
  const auto usage = parse_integer(read_small_file(folder / files.usage));
  if (!limit || !usage || *usage < 0) return std::nullopt;
  const std::string stat = read_small_file(folder / "memory.stat");
  uint64_t held = static_cast<uint64_t>(*usage);
  for (const char* key : files.droppable) held -= std::min(held, parse_stat(stat, key).value_or(0));
  return *limit - std::min(*limit, held);
}

template <class Ask>
std::optional<uint64_t> least_memory(const std::filesystem::path& root, const CgroupPaths& paths, Ask ask) {
  std::optional<uint64_t> least;
  for (const auto& folder : folders_upwards(root, paths.unified)) keep_least(least, ask(folder, kMemoryV2));
  for (const auto& folder : folders_upwards(root / "memory", paths.memory)) keep_least(least, ask(folder, kMemoryV1));
  return least;
}

CgroupPaths own_cgroup() { return parse_cgroup_paths(read_small_file("/proc/self/cgroup")); }

unsigned affinity_threads() {
  // The kernel's mask may be wider than cpu_set_t: grow until it fits.
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    const size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(cpus));
    cpu_set_t* set = CPU_ALLOC(static_cast<size_t>(cpus));
    if (set == nullptr) break;
    CPU_ZERO_S(bytes, set);
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    const int count = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (known) return static_cast<unsigned>(std::max(count, 1));
  }
  return std::max(std::thread::hardware_concurrency(), 1u);
}

}  // namespace

std::string read_small_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return {};
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

CgroupPaths parse_cgroup_paths(std::string_view proc_self_cgroup) {
  CgroupPaths paths;
  for_each_line(proc_self_cgroup, [&](std::string_view line) {  // "4:cpu,cpuacct:/some/group", version 2: "0::/some/group"
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) return;
    std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1));
    if (controllers.empty()) paths.unified = path;
    while (!controllers.empty()) {
      const size_t comma = controllers.find(',');
      const std::string_view controller = controllers.substr(0, comma);
      if (controller == "cpu") paths.cpu = path;
      if (controller == "memory") paths.memory = path;
      controllers = comma == std::string_view::npos ? std::string_view{} : controllers.substr(comma + 1);
    }
  });
  return paths;
}

std::optional<double> parse_cpu_max(std::string_view text) {
  text = trimmed(text);
  const size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  return parse_cfs_quota(text.substr(0, space), text.substr(space + 1));
}

std::optional<double> parse_cfs_quota(std::string_view quota_us, std::string_view period_us) {
  const auto quota = parse_integer(quota_us);
  const auto period = parse_integer(period_us);
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

std::optional<uint64_t> parse_memory_limit(std::string_view text) {
  const auto value = parse_integer(text);
  if (!value || *value < 0 || static_cast<uint64_t>(*value) >= kNoLimit) return std::nullopt;
  return static_cast<uint64_t>(*value);
}

std::optional<uint64_t> parse_meminfo(std::string_view meminfo, std::string_view name) {
  std::optional<uint64_t> bytes;
  for_each_line(meminfo, [&](std::string_view line) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ':') return;
    line = trimmed(line.substr(name.size() + 1));
    if (!line.ends_with(" kB")) return;
    const auto kilobytes = parse_integer(line.substr(0, line.size() - 3));
    if (kilobytes && *kilobytes >= 0) bytes = static_cast<uint64_t>(*kilobytes) * 1024;
  });
  return bytes;
}

std::optional<uint64_t> parse_stat(std::string_view text, std::string_view name) {
  std::optional<uint64_t> found;
  for_each_line(text, [&](std::string_view line) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ' ') return;
    const auto value = parse_integer(line.substr(name.size()));
    if (value && *value >= 0) found = static_cast<uint64_t>(*value);
  });
  return found;
}

std::optional<double> cgroup_cpu_quota(const std::filesystem::path& root, const CgroupPaths& paths) {
  std::optional<double> least;
  for (const auto& folder : folders_upwards(root, paths.unified)) {
    keep_least(least, parse_cpu_max(read_small_file(folder / "cpu.max")));
  }
  for (const char* mount : {"cpu", "cpu,cpuacct"}) {
    for (const auto& folder : folders_upwards(root / mount, paths.cpu)) {
      keep_least(least,
                 parse_cfs_quota(read_small_file(folder / "cpu.cfs_quota_us"), read_small_file(folder / "cpu.cfs_period_us")));
    }
  }
  return least;
}

std::optional<uint64_t> cgroup_memory_left(const std::filesystem::path& root, const CgroupPaths& paths) {
  return least_memory(root, paths, memory_left);
}

std::optional<uint64_t> cgroup_memory_limit(const std::filesystem::path& root, const CgroupPaths& paths) {
  return least_memory(root, paths, [](const std::filesystem::path& folder, const MemoryFiles& files) {
    return parse_memory_limit(read_small_file(folder / files.limit));
  });
}

std::optional<uint64_t> address_space_left(uint64_t limit, std::string_view statm) {
  const auto pages = parse_integer(statm.substr(0, statm.find(' ')));
  if (!pages || *pages < 0) return std::nullopt;
  return limit - std::min(limit, static_cast<uint64_t>(*pages) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
}

std::optional<double> current_cpu_quota() { return cgroup_cpu_quota(kCgroupRoot, own_cgroup()); }

uint64_t total_memory_bytes() {
  const uint64_t machine = parse_meminfo(read_small_file("/proc/meminfo"), "MemTotal").value_or(0);
  const auto limit = cgroup_memory_limit(kCgroupRoot, own_cgroup());
  return limit ? std::min(machine, *limit) : machine;
}

unsigned threads_within(unsigned cpus, std::optional<double> quota) {
  if (!quota) return cpus;
  // Rounded down: with more threads than the quota the group is throttled, and one stalled thread stalls its whole step.
  const double whole = std::max(std::floor(*quota), 1.0);
  return whole < cpus ? static_cast<unsigned>(whole) : cpus;
}

unsigned usable_threads() { return threads_within(affinity_threads(), current_cpu_quota()); }

uint64_t available_memory_bytes() {
  std::optional<uint64_t> least = parse_meminfo(read_small_file("/proc/meminfo"), "MemAvailable").value_or(0);
  keep_least(least, cgroup_memory_left(kCgroupRoot, own_cgroup()));
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    keep_least(least, address_space_left(limit.rlim_cur, read_small_file("/proc/self/statm")));
  }
  return *least;
}

}  // namespace siskin
