// Three million flights in a Parquet file: which airports' flights are late, asked of the engine and of workers.
//
//   build/release/bin/flights_delay .deps/flights/flights-3m.parquet
//
// prints, with other times
//
//   origin    count         mean(delay)
//   VARCHAR  BIGINT              DOUBLE
//   -------  ------  ------------------
//   ACY           1                98.0
//   HDN         481  16.777546777546778
//   BGR        1562   16.57234314980794
//   DUT         213  15.788732394366198
//   DRO          95  15.694736842105263
//   (the first 5 rows)
//   the query:         229 airports, mean delay 6.667868 in # ms
//   rows in workers:   229 airports, mean delay 6.667868 in # ms
//   late by more:      599055 flights, 21650088 minutes in # ms
//   fed to 2 workers:  3000000 flights, each once, in # ms

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include <manta/data.h>
#include <manta/manta.h>

namespace data = manta::data;
using data::col;

struct Flight {
  std::string origin;
  std::int64_t delay;  // minutes
};

// What a worker makes of a block: a row for each airport in it.
struct Delays {
  std::string origin;
  std::int64_t flights, minutes;
};
std::vector<Delays> by_origin(const std::vector<Flight>& flights) {
  std::map<std::string, Delays> delays;
  for (const Flight& flight : flights) {
    Delays& sum = delays.try_emplace(flight.origin, Delays{flight.origin, 0, 0}).first->second;
    ++sum.flights;
    sum.minutes += flight.delay;
  }
  std::vector<Delays> rows;
  for (const auto& [origin, sum] : delays) rows.push_back(sum);
  return rows;
}

std::int64_t late_by(const Flight& flight) { return flight.delay - 15; }

// A consumer: a training would learn from these batches.
std::pair<std::int64_t, std::int64_t> consume(const data::Shard& shard) {
  std::int64_t flights = 0, minutes = 0;
  for (const data::Block& batch : shard.batches(4096)) {
    flights += batch.rows();
    for (const std::int64_t delay : batch["delay"].values<std::int64_t>()) minutes += delay;
  }
  return {flights, minutes};
}

double milliseconds() {
  static const auto start = std::chrono::steady_clock::now();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  if (argc != 2) {
    std::fprintf(stderr, "usage: flights_delay FILE.parquet\n");
    return 2;
  }
  const auto flights = data::read_parquet<Flight>(argv[1]);
  const data::Dataset delays = flights.group_by("origin").aggregate(data::count(), data::mean("delay"));
  delays.sort({{"mean(delay)", data::descending}, "origin"}).show(5);

  double start = milliseconds();
  const data::Block query = delays.block();
  const auto counts = query["count"].values<std::int64_t>();
  const auto means = query["mean(delay)"].values<double>();
  double minutes = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) minutes += static_cast<double>(counts[i]) * means[i];
  std::printf("the query:         %zu airports, mean delay %.6f in %.1f ms\n", counts.size(), minutes / 3e6,
              milliseconds() - start);

  start = milliseconds();
  const data::Block sums = flights.map_batches<by_origin>()
                               .group_by("origin")
                               .aggregate(data::sum("flights").as("flights"), data::sum("minutes").as("minutes"))
                               .block();
  std::int64_t total = 0;
  for (const std::int64_t each : sums["minutes"].values<std::int64_t>()) total += each;
  std::printf("rows in workers:   %lld airports, mean delay %.6f in %.1f ms\n", static_cast<long long>(sums.rows()),
              static_cast<double>(total) / 3e6, milliseconds() - start);

  start = milliseconds();
  const auto late = flights.filter([](const Flight& flight) { return flight.delay > 15; }).map<late_by>();
  const data::Block sum = late.aggregate(data::count(), data::sum("value")).block();
  std::printf("late by more:      %lld flights, %lld minutes in %.1f ms\n",
              static_cast<long long>(sum["count"].values<std::int64_t>()[0]),
              static_cast<long long>(sum["sum(value)"].values<std::int64_t>()[0]), milliseconds() - start);

  start = milliseconds();
  std::vector<manta::Ref<std::pair<std::int64_t, std::int64_t>>> consumers;
  for (const data::Shard& shard : flights.shuffle({.seed = 7}).streaming_split(2)) {
    consumers.push_back(manta::remote<consume>(shard));
  }
  std::int64_t fed = 0, of_fed = 0;
  for (const auto& [batch_flights, batch_minutes] : manta::get(consumers)) {
    fed += batch_flights;
    of_fed += batch_minutes;
  }
  std::printf("fed to 2 workers:  %lld flights, %s, in %.1f ms\n", static_cast<long long>(fed),
              of_fed == total ? "each once" : "not the same", milliseconds() - start);
}
