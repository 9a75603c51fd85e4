#include "bench/harness.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include <nlohmann/json.hpp>

#include "bench/process_tree.h"

namespace manta::bench {

namespace {

constexpr std::string_view kPeer = "manta";

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::vector<double> column(const std::vector<Run>& runs, double Run::*member) {
  std::vector<double> values;
  for (const Run& run : runs) values.push_back(run.*member);
  return values;
}

double rounded(double value, double steps) { return std::round(value * steps) / steps; }

void print(const nlohmann::ordered_json& line) { std::cout << line.dump() << std::endl; }

}  // namespace

double median_value(const std::vector<Run>& runs) { return median(column(runs, &Run::value)); }

Stopwatch::Stopwatch()
    : cpu_(cpu_seconds(process_tree(::getpid()))),
      busy_(machine_busy_seconds()),
      start_(std::chrono::steady_clock::now()) {}

double Stopwatch::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

Run Stopwatch::stop(double value, bool rate) const {
  const double elapsed = seconds();
  // Processes first: a worker that ended meanwhile is missed, one that began meanwhile counts in full.
  const double cpu = cpu_seconds(process_tree(::getpid())) - cpu_;
  const double others = std::max(0.0, machine_busy_seconds() - busy_ - cpu) / elapsed;
  return {value, rate ? cpu / elapsed : cpu, others};
}

bool Harness::wanted(std::string_view name) const {
  std::string_view rest = settings_.only;
  for (;;) {
    const std::size_t end = rest.find('|');
    if (name.find(rest.substr(0, end)) != std::string_view::npos) return true;
    if (end == std::string_view::npos) return false;
    rest.remove_prefix(end + 1);
  }
}

Runtime Harness::start() const {
  InitOptions options;
  options.num_cpus = settings_.cpus;
  if (settings_.spin_us) options.spin = std::chrono::microseconds(*settings_.spin_us);
  return init(settings_.argc, settings_.argv, options);
}

std::string Harness::full_name(std::string_view name) const {
  std::string full(name);
  if (settings_.spin_us == 0) full += ", spin off";
  if (settings_.beside > 0) full += ", beside " + std::to_string(settings_.beside) + " busy";
  return full;
}

void Harness::emit(std::string_view name, std::string_view unit, const std::vector<Run>& runs,
                   const Fields& more) const {
  if (!wanted(name)) return;
  const std::vector<double> values = column(runs, &Run::value);
  nlohmann::ordered_json line;
  line["bench"] = full_name(name);
  line["value"] = rounded(median(values), 1e6);
  line["unit"] = unit;
  line["peer"] = kPeer;
  line["min"] = rounded(*std::min_element(values.begin(), values.end()), 1e6);
  line["max"] = rounded(*std::max_element(values.begin(), values.end()), 1e6);
  line["n"] = runs.size();
  line["cpu_s"] = rounded(median(column(runs, &Run::cpu_s)), 1e6);
  line["others"] = rounded(median(column(runs, &Run::others)), 1e2);
  if (settings_.spin_us) {
    line["spin"] = *settings_.spin_us;
  } else {
    line["spin"] = "default";
  }
  for (const auto& [key, value] : more) {
    if (value == std::floor(value)) {
      line[std::string(key)] = static_cast<std::int64_t>(value);
    } else {
      line[std::string(key)] = rounded(value, 1e3);
    }
  }
  print(line);
}

void Harness::emit_failure(std::string_view name, std::string_view why) const {
  print({{"bench", full_name(name)}, {"value", nullptr}, {"unit", "failed"}, {"peer", kPeer}, {"error", why}});
}

}  // namespace manta::bench
