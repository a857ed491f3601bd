// machine_profile: what is known, then the cache, then measurement.
#include <siskin/machine.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "engine/machine/cache.h"
#include "engine/machine/fingerprint.h"
#include "engine/machine/limits.h"
#include "engine/machine/probe.h"
#include "engine/machine/profile_json.h"
#include "engine/machine/topology.h"
#include "formats/try.h"
#include "kernels/cpu.h"
#include "kernels/select.h"

namespace siskin {
namespace {

// Everything that needs no measurement.
Result<MachineProfile> described_machine(const std::string& isa_name) {
  SISKIN_TRY(const Isa* isa, select_isa(isa_name));
  const Topology topology = read_topology();
  MachineProfile profile;
  profile.cpu = cpu_name();
  profile.isa = isa->name;
  for (const Isa& available : available_isas()) profile.isas.emplace_back(available.name);
  profile.cores = topology.cores;
  profile.threads = usable_threads();
  profile.memory_bytes = total_memory_bytes();
  profile.caches = topology.caches;
  profile.fingerprint = fingerprint_of(profile, topology.microcode, current_cpu_quota());
  return profile;
}

std::string profile_file(const MachineProfile& profile) { return "machine-" + profile.fingerprint + ".json"; }

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[sizeof "2026-01-02T03:04:05Z"];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

// A progress callback for one part of the whole.
std::function<void(double)> part_of(const std::function<void(double)>& whole, double from, double to) {
  if (!whole) return {};
  return [&whole, from, to](double fraction) { whole(from + (to - from) * fraction); };
}

}  // namespace

Result<std::shared_ptr<const MachineProfile>> machine_profile(const MachineOptions& options) {
  SISKIN_TRY(MachineProfile profile, described_machine(options.isa));
  if (options.use_cache) {
    auto cached = profile_from_json(read_cache(profile_file(profile)));
    // The fingerprint inside guards against a file that was renamed or copied by hand.
    if (cached && cached->fingerprint == profile.fingerprint) {
      cached->from_cache = true;
      return std::make_shared<const MachineProfile>(*std::move(cached));
    }
  }
  if (!options.measure) return std::make_shared<const MachineProfile>(std::move(profile));

  SISKIN_TRY_STATUS(measure_read_bandwidth(profile, part_of(options.on_progress, 0, 0.75)));
  SISKIN_TRY_STATUS(measure_peaks(profile, part_of(options.on_progress, 0.75, 1)));
  profile.measured_at = utc_now();
  if (options.use_cache) {
    // An unwritable cache costs the next call a measurement, nothing else.
    [[maybe_unused]] const Status written = write_cache(profile_file(profile), to_json(profile));
  }
  return std::make_shared<const MachineProfile>(std::move(profile));
}

Status forget_machine_profiles() {
  SISKIN_TRY_STATUS(remove_from_cache("machine-"));
  return remove_from_cache("kernels-");
}

double MachineProfile::read_bandwidth_at(unsigned wanted_threads, double bytes) const {
  if (read_gb_s.empty()) return 0;
  const auto distance = [&](unsigned n) { return n > wanted_threads ? n - wanted_threads : wanted_threads - n; };
  unsigned nearest = read_gb_s.front().threads;
  for (const ReadBandwidth& point : read_gb_s) {
    if (distance(point.threads) < distance(nearest)) nearest = point.threads;
  }
  std::vector<ReadBandwidth> points;
  std::copy_if(read_gb_s.begin(), read_gb_s.end(), std::back_inserter(points),
               [&](const ReadBandwidth& point) { return point.threads == nearest; });
  std::sort(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.mb < b.mb; });

  const double mb = bytes / 1e6;
  if (mb <= points.front().mb) return points.front().gb_s;
  if (mb >= points.back().mb) return points.back().gb_s;
  const auto above = std::find_if(points.begin(), points.end(), [&](const auto& point) { return point.mb >= mb; });
  const auto below = above - 1;
  const double share = std::log(mb / below->mb) / std::log(above->mb / below->mb);
  return below->gb_s + share * (above->gb_s - below->gb_s);
}

}  // namespace siskin
