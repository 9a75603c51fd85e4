#include "tests/core/sched/recorded_scheduler.h"

#include <gtest/gtest.h>

namespace manta::sched {

namespace {

std::string number(std::uint64_t n) { return std::to_string(n); }

std::string name(ClientId client, ShapeIndex shape) {
  return number(client.value) + (shape == 0 ? "" : "/" + number(shape));
}

NodeSchedulerConfig with_ids_from_100(NodeSchedulerConfig config) {
  config.first_client_id = 100;
  return config;
}

}  // namespace

ResourceSet cpus(double n) { return {.cpus = Amount::from_double(n, "cpus").value()}; }
ResourceSet gpus(double n) { return {.gpus = Amount::from_double(n, "gpus").value()}; }
ResourceSet memory(std::uint64_t bytes) { return {.memory_bytes = bytes}; }

RecordedScheduler::RecordedScheduler(NodeSchedulerConfig config, bool instant_workers)
    : instant_workers_(instant_workers), scheduler_(with_ids_from_100(std::move(config)), *this) {}

void RecordedScheduler::start() {
  scheduler_.start(now_);
  after_event();
}

void RecordedScheduler::join(std::uint64_t driver) {
  scheduler_.driver_joined(ClientId{driver}, now_);
  after_event();
}

void RecordedScheduler::want(std::uint64_t client, std::uint32_t wanted, const ResourceSet& request, ShapeIndex shape) {
  scheduler_.set_demand(ClientId{client}, shape, request, wanted, now_);
  after_event();
}

void RecordedScheduler::give_back(std::uint64_t client, std::uint64_t lease) {
  if (const auto held = held_.find(LeaseId{lease}); held != held_.end() && held->second.value == client) {
    held_.erase(held);
  }
  scheduler_.return_lease(ClientId{client}, LeaseId{lease}, now_);
  after_event();
}

void RecordedScheduler::worker_started(std::uint64_t worker) {
  scheduler_.worker_started(ClientId{worker}, now_);
  after_event();
}

void RecordedScheduler::worker_failed(std::uint64_t worker, const std::string& status) {
  scheduler_.worker_failed(ClientId{worker}, status, now_);
  after_event();
}

void RecordedScheduler::left(std::uint64_t client, const std::string& status) {
  std::erase_if(held_, [&](const auto& entry) { return entry.second.value == client; });
  scheduler_.client_left(ClientId{client}, status, now_);
  after_event();
}

void RecordedScheduler::blocked(std::uint64_t worker) {
  scheduler_.blocked(ClientId{worker}, now_);
  after_event();
}

void RecordedScheduler::unblocked(std::uint64_t worker) {
  scheduler_.unblocked(ClientId{worker}, now_);
  after_event();
}

void RecordedScheduler::ring_closed(std::uint64_t worker, std::uint64_t submitter) {
  scheduler_.ring_closed(ClientId{worker}, ClientId{submitter}, now_);
  after_event();
}

void RecordedScheduler::keep_alive(std::uint64_t worker, bool keep) {
  scheduler_.keep_alive(ClientId{worker}, keep, now_);
  after_event();
}

void RecordedScheduler::pass(Time duration) {
  const Time end = now_ + duration;
  while (scheduler_.next_tick() <= end) {
    const Time next = scheduler_.next_tick();
    now_ = std::max(now_, next);
    scheduler_.tick(now_);
    after_event();
    ASSERT_GT(scheduler_.next_tick(), now_) << "asked again for a tick that it had";
  }
  now_ = end;
}

std::vector<std::string> RecordedScheduler::log() { return std::exchange(log_, {}); }

std::vector<std::uint64_t> RecordedScheduler::leases_of(std::uint64_t client) const {
  std::vector<std::uint64_t> leases;
  for (const auto& [lease, holder] : held_) {
    if (holder.value == client) leases.push_back(lease.value);
  }
  return leases;
}

void RecordedScheduler::after_event() {
  while (instant_workers_ && !starting_.empty()) {
    const ClientId worker = starting_.front();
    starting_.erase(starting_.begin());
    scheduler_.worker_started(worker, now_);
  }
  ASSERT_EQ(scheduler_.check_invariants(), "");
}

void RecordedScheduler::start_worker(ClientId worker, const std::vector<GpuShare>& gpus, const std::string& env) {
  std::string line = "start " + number(worker.value) + (gpus.empty() ? "" : " gpus");
  for (const GpuShare& gpu : gpus) line += " " + number(gpu.index);
  if (!env.empty()) line += " env " + std::string(env.c_str());
  log_.push_back(line);
  starting_.push_back(worker);
}

void RecordedScheduler::kill_worker(ClientId worker) { log_.push_back("kill " + number(worker.value)); }

void RecordedScheduler::grant(ClientId submitter, const Grant& grant) {
  EXPECT_TRUE(held_.emplace(grant.lease, submitter).second);
  log_.push_back("grant " + name(submitter, grant.shape) + ": lease " + number(grant.lease.value) + " on " +
                 number(grant.worker.value));
}

void RecordedScheduler::lease_ended(ClientId submitter, LeaseId lease, LeaseEnd, const std::string& status) {
  EXPECT_EQ(held_.erase(lease), 1U);
  log_.push_back("ended " + number(submitter.value) + ": lease " + number(lease.value) + ", " + status);
}

void RecordedScheduler::infeasible(ClientId submitter, ShapeIndex shape, const std::string& why) {
  last_infeasible_ = why;
  log_.push_back("infeasible " + name(submitter, shape));
}

void RecordedScheduler::ask_back(ClientId submitter, ShapeIndex shape, std::uint32_t count) {
  log_.push_back("ask " + name(submitter, shape) + ": " + number(count));
}

void RecordedScheduler::close_ring(ClientId worker, ClientId submitter) {
  log_.push_back("close " + number(worker.value) + " for " + number(submitter.value));
}

}  // namespace manta::sched
