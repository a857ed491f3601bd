// What this process may use of the machine: CPUs by affinity and cgroup quota, memory by MemAvailable and cgroup limits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace siskin {

// Where /proc/self/cgroup puts this process. Version 1 has one path per controller; empty: the controller is not mounted.
struct CgroupPaths {
  std::string unified;  // version 2
  std::string cpu;
  std::string memory;
};
CgroupPaths parse_cgroup_paths(std::string_view proc_self_cgroup);

// CPUs that "cpu.max" grants ("150000 100000" is 1.5); none for "max 100000" and for text of another form.
std::optional<double> parse_cpu_max(std::string_view text);
// The same from version 1's cpu.cfs_quota_us and cpu.cfs_period_us; a quota of -1 is none.
std::optional<double> parse_cfs_quota(std::string_view quota_us, std::string_view period_us);
// "max", and version 1's number near 2^63, are none.
std::optional<uint64_t> parse_memory_limit(std::string_view text);
// The bytes of one "Name:  123 kB" line of /proc/meminfo.
std::optional<uint64_t> parse_meminfo(std::string_view meminfo, std::string_view name);
// The number after "name " on a line of its own, as memory.stat writes it.
std::optional<uint64_t> parse_stat(std::string_view text, std::string_view name);

// The tightest limit on the way from this process's group up to `root` ("/sys/fs/cgroup" outside tests).
std::optional<double> cgroup_cpu_quota(const std::filesystem::path& root, const CgroupPaths& paths);
// Bytes still free under the tightest limit; file pages that the kernel can drop count as free.
std::optional<uint64_t> cgroup_memory_left(const std::filesystem::path& root, const CgroupPaths& paths);
std::optional<uint64_t> cgroup_memory_limit(const std::filesystem::path& root, const CgroupPaths& paths);

// Of a limit on the address space (`ulimit -v`), given /proc/self/statm.
std::optional<uint64_t> address_space_left(uint64_t limit, std::string_view statm);

// A whole small file of /proc or /sys; empty when it cannot be read.
std::string read_small_file(const std::filesystem::path& path);

// How many threads pay: one per CPU of the affinity mask, and no more than the quota's whole CPUs, but one.
unsigned threads_within(unsigned cpus, std::optional<double> quota);

std::optional<double> current_cpu_quota();
uint64_t total_memory_bytes();  // of the machine, or the cgroup's limit where that is less

}  // namespace siskin
