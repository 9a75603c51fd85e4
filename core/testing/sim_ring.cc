#include "core/testing/sim_ring.h"

#include <utility>

namespace manta::sim {

using State = RingRecord::State;

bool SimRing::push(owner::Entry& entry) {
  free_passed();
  if (records_.size() >= capacity_) return false;
  RingRecord record;
  record.entry = &entry;
  record.kind = entry.kind;
  record.id = entry.id;
  record.function = entry.function;
  record.attempt = entry.attempt;
  record.arguments = entry.value.clone();
  if (entry.extra) {
    for (const owner::Entry* reference : entry.extra->references) record.references.push_back(reference->value.clone());
  }
  submitter_edge->describe(entry, record);
  entry.position = static_cast<std::uint32_t>(head_ + records_.size());
  records_.push_back(std::move(record));
  submitter_edge->published(*this);
  return true;
}

bool SimRing::push_end() {
  free_passed();
  if (records_.size() >= capacity_) return false;
  records_.emplace_back().end = true;
  submitter_edge->published(*this);
  return true;
}

owner::Entry* SimRing::take_back_last() {
  for (std::size_t i = records_.size(); i-- > 0;) {
    if (records_[i].state != State::ready || records_[i].end) continue;
    records_[i].state = State::taken;
    return records_[i].entry;
  }
  return nullptr;
}

bool SimRing::take_back(owner::Entry& entry) {
  for (RingRecord& record : records_) {
    if (record.entry != &entry || record.state != State::ready) continue;
    record.state = State::taken;
    return true;
  }
  return false;
}

owner::Entry* SimRing::next_lost() {
  for (RingRecord& record : records_) {
    if (record.state != State::claimed) continue;
    record.state = State::taken;
    return record.entry;
  }
  return nullptr;
}

void SimRing::running(std::vector<owner::Entry*>& entries) const {
  for (const RingRecord& record : records_) {
    if (record.state == State::claimed && !record.end) entries.push_back(record.entry);
  }
}

void SimRing::replace(owner::Entry& entry, owner::Entry& by) {
  for (RingRecord& record : records_) {
    if (record.entry == &entry) record.entry = &by;
  }
}

bool SimRing::pop_done(RingRecord& record) {
  free_passed();
  for (RingRecord& front : records_) {  // a taken record that the worker has not passed hides nothing behind it
    if (front.state == State::taken) continue;
    if (front.state != State::done) return false;
    record = std::move(front);
    front = {};
    front.state = State::taken;
    free_passed();
    return true;
  }
  return false;
}

void SimRing::free_passed() {
  while (!records_.empty() && records_.front().state == State::taken && head_ < next_claim_) {
    records_.pop_front();
    ++head_;
  }
}

bool SimRing::has_ready() {
  if (closed) return false;
  for (std::uint64_t i = next_claim_; i < head_ + records_.size(); ++i) {
    if (records_[i - head_].state == State::ready) return true;
  }
  return false;
}

RingRecord* SimRing::claim() {
  if (closed) return nullptr;
  for (; next_claim_ < head_ + records_.size(); ++next_claim_) {
    RingRecord& record = records_[next_claim_ - head_];
    if (record.state != State::ready) continue;
    record.state = State::claimed;
    ++next_claim_;
    return &record;
  }
  return nullptr;
}

bool SimRing::idle() const {
  for (const RingRecord& record : records_) {
    if (record.state != State::taken && !record.end) return false;
  }
  return true;
}

}  // namespace manta::sim
