// Streams that this process reads: items arrive and are taken, and the producer gets credit (see stream.h).
//
// Threading: none of its own (the owner's lock). Ownership: all references must outlive it; a stream is part of its
// task's entry.
#pragma once

#include <vector>

#include "core/owner/objects.h"

namespace manta::owner {

class StreamEffects {
 public:
  virtual ~StreamEffects() = default;
  virtual void send(ClientId to, PeerMessage message) = 0;
  // The stream has something to take.
  virtual void resolved(Entry& task) = 0;
};

// What Streams needs of the other parts.
class StreamContext {
 public:
  virtual ~StreamContext() = default;
  virtual void fail(Entry& entry, const Error& error) = 0;
  virtual Entry* import(const detail::WireRef& ref, bool counted) = 0;
  virtual void add_borrower(Entry& entry, ClientId client, std::int64_t count) = 0;
};

class Streams {
 public:
  enum class Taken : std::uint8_t { item, ended, open };

  Streams(Objects& objects, const Deaths& deaths, StreamEffects& effects, StreamContext& context)
      : objects_(objects), deaths_(deaths), effects_(effects), context_(context) {}

  Taken take_item(Entry& task, IncomingStream::Item& item);
  // The item that was taken last, as an object, with its one reference.
  Entry* item_object(Entry& task, IncomingStream::Item item);
  // The stream is not read any more; the task runs to its next item at most.
  void drop(Entry& task);
  // The task has its result: the stream ends there.
  static void update_ready(Entry& task);
  // The items so far are all that there will be, as the task goes on without its result.
  void end_early(Entry& task);
  void receive(ClientId from, const StreamItems& items);

 private:
  Entry* make_item(ObjectId id, Value value, std::vector<Entry*> contained);
  void grant_credit(Entry& task);

  Objects& objects_;
  const Deaths& deaths_;
  StreamEffects& effects_;
  StreamContext& context_;
};

}  // namespace manta::owner
