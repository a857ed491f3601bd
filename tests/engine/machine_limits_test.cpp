// The kernel's accounts of cgroups and memory, on sample texts and on this machine.
#include <sched.h>
#include <siskin/machine.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine/machine/limits.h"

using namespace siskin;

namespace {

// A folder that is gone when the test is.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "siskin-limits-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }
  void write(const std::filesystem::path& file, const std::string& text) const {
    std::filesystem::create_directories((path_ / file).parent_path());
    std::ofstream(path_ / file) << text;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("cgroup paths of both versions are told apart", "[machine]") {
  const CgroupPaths v2 = parse_cgroup_paths("0::/user.slice/session.scope\n");
  CHECK(v2.unified == "/user.slice/session.scope");
  CHECK(v2.cpu.empty());
  const CgroupPaths v1 = parse_cgroup_paths("11:memory:/docker/ab\n4:cpu,cpuacct:/docker/cd\n2:cpuset:/x\n0::/y\n");
  CHECK(v1.memory == "/docker/ab");
  CHECK(v1.cpu == "/docker/cd");
  CHECK(v1.unified == "/y");
  const CgroupPaths nonsense = parse_cgroup_paths("no colons\n:\n");
  CHECK(nonsense.unified.empty());
}

TEST_CASE("cpu quotas are read, and 'no quota' is none", "[machine]") {
  CHECK(parse_cpu_max("150000 100000\n") == 1.5);
  CHECK_FALSE(parse_cpu_max("max 100000\n"));
  CHECK_FALSE(parse_cpu_max(""));
  CHECK_FALSE(parse_cpu_max("150000"));
  CHECK_FALSE(parse_cpu_max("100 0"));
  CHECK(parse_cfs_quota("400000\n", "100000\n") == 4.0);
  CHECK_FALSE(parse_cfs_quota("-1\n", "100000\n"));
}

TEST_CASE("memory limits and accounts are read", "[machine]") {
  CHECK(parse_memory_limit("4294967296\n") == uint64_t{4294967296});
  CHECK_FALSE(parse_memory_limit("max\n"));
  CHECK_FALSE(parse_memory_limit("9223372036854771712\n"));
  CHECK_FALSE(parse_memory_limit(""));
  const std::string meminfo = "MemTotal:       24683868 kB\nMemFree:         1 kB\nMemAvailable:   23000000 kB\n";
  CHECK(parse_meminfo(meminfo, "MemAvailable") == uint64_t{23000000} * 1024);
  CHECK_FALSE(parse_meminfo(meminfo, "Mem"));
  CHECK_FALSE(parse_meminfo(meminfo, "SwapTotal"));
  CHECK(parse_stat("active_file 7\ninactive_file 42\n", "inactive_file") == uint64_t{42});
  CHECK_FALSE(parse_stat("total_inactive_file 42\n", "inactive_file"));
}

TEST_CASE("what is left of a limited address space", "[machine]") {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  CHECK(address_space_left(100 * page, "40 7 3 1 0 9 0\n") == 60 * page);
  CHECK(address_space_left(30 * page, "40 7 3 1 0 9 0\n") == uint64_t{0});
  CHECK_FALSE(address_space_left(100 * page, ""));
}

TEST_CASE("the tightest limit on the way up counts", "[machine]") {
  const TemporaryFolder v2;
  v2.write("a/b/cpu.max", "max 100000\n");
  v2.write("a/cpu.max", "250000 100000\n");
  v2.write("cpu.max", "800000 100000\n");
  v2.write("a/memory.max", "1000000\n");
  v2.write("a/memory.current", "600000\n");
  v2.write("a/memory.stat", "anon 5\ninactive_file 60000\nactive_file 40000\n");
  const CgroupPaths group = parse_cgroup_paths("0::/a/b\n");
  CHECK(cgroup_cpu_quota(v2.path(), group) == 2.5);
  CHECK(cgroup_memory_limit(v2.path(), group) == uint64_t{1000000});
  CHECK(cgroup_memory_left(v2.path(), group) == uint64_t{500000});

  // Version 1 in a container: the path is the host's and not visible, the mount is the group itself.
  const TemporaryFolder v1;
  v1.write("cpu/cpu.cfs_quota_us", "300000\n");
  v1.write("cpu/cpu.cfs_period_us", "100000\n");
  v1.write("memory/memory.limit_in_bytes", "2000\n");
  v1.write("memory/memory.usage_in_bytes", "2500\n");
  const CgroupPaths host = parse_cgroup_paths("2:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n");
  CHECK(cgroup_cpu_quota(v1.path(), host) == 3.0);
  CHECK(cgroup_memory_left(v1.path(), host) == uint64_t{0});
  CHECK_FALSE(cgroup_cpu_quota(v1.path() / "absent", host));
}

TEST_CASE("no more threads than CPUs or whole CPUs of the quota, and never none", "[machine]") {
  CHECK(threads_within(4, std::nullopt) == 4);
  CHECK(threads_within(4, 2.0) == 2);
  CHECK(threads_within(4, 2.9) == 2);
  CHECK(threads_within(2, 16.0) == 2);
  CHECK(threads_within(4, 0.5) == 1);
  CHECK(threads_within(1, 0.01) == 1);
}

TEST_CASE("a thread bound to one CPU has one thread", "[machine]") {
  cpu_set_t before;
  REQUIRE(sched_getaffinity(0, sizeof(before), &before) == 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &before)) ++cpu;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
  CHECK(usable_threads() == 1);
  REQUIRE(sched_setaffinity(0, sizeof(before), &before) == 0);
  CHECK(usable_threads() <= static_cast<unsigned>(CPU_COUNT(&before)));
}

TEST_CASE("this process has at least one thread and some memory", "[machine]") {
  CHECK(usable_threads() >= 1);
  CHECK(available_memory_bytes() > 0);
  CHECK(available_memory_bytes() <= total_memory_bytes());
}
