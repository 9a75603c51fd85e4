#include "core/client/awaits.h"

#include <utility>

namespace manta::client {

using detail::Await;

void Awaits::List::push(List more) {
  (back == nullptr ? front : back->next) = more.front;
  back = more.back;
}

bool Awaits::List::erase(const Await& await) {
  Await* before = nullptr;
  for (Await* each = front; each != nullptr; before = std::exchange(each, each->next)) {
    if (each != &await) continue;
    (before == nullptr ? front : before->next) = each->next;
    if (back == each) back = before;
    return true;
  }
  return false;
}

void Awaits::add(Await& await) {
  await.next = nullptr;
  await.on = Await::On::object;
  table_[await.entry].push({&await, &await});
  waiting_.fetch_add(1, std::memory_order_relaxed);
}

void Awaits::remove(Await& await) {
  if (await.on == Await::On::ready) {
    resolved_.erase(await);
    if (resolved_.front == nullptr) ready_ = false;
  } else if (const auto it = table_.find(await.entry); it != table_.end() && it->second.erase(await)) {
    if (it->second.front == nullptr) table_.erase(it);
    waiting_.fetch_sub(1, std::memory_order_relaxed);
  }
  await.on = Await::On::nothing;
}

bool Awaits::resolved(const detail::EntryHead& entry) {
  const auto it = table_.find(&entry);
  if (it == table_.end()) return false;
  const List list = it->second;
  table_.erase(it);
  std::size_t count = 0;
  for (Await* each = list.front; each != nullptr; each = each->next, ++count) each->on = Await::On::ready;
  waiting_.fetch_sub(count, std::memory_order_relaxed);
  resolved_.push(list);
  ready_.store(true, std::memory_order_seq_cst);
  return true;
}

Await* Awaits::take() {
  ready_.store(false, std::memory_order_relaxed);
  return std::exchange(resolved_, {}).front;
}

}  // namespace manta::client
