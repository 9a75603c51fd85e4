#include "core/worker/message_task.h"

#include <span>
#include <string>
#include <utility>

#include "core/client/task_codec.h"
#include "core/net/error_codec.h"

namespace manta::worker {

namespace {

constexpr std::size_t kLongestReplyBytes = net::ControlSocket::kMaxMessageBytes / 2;

}  // namespace

MessageTask::MessageTask(client::Client& client, const Arguments& arguments, ClientId submitter, net::RunTask task)
    : IncomingTask({task.kind, task.task, task.attempt, submitter, task.cpus}),
      client_(client),
      arguments_(arguments),
      task_(std::move(task)) {}

void MessageTask::begin() {
  if (task_.timed) client_.node().send_to_peer(head().submitter, net::TaskBegan{task_.position});
}

void MessageTask::read(client::TaskContext& context, client::TaskInput& input) {
  input.function.value = task_.function;
  input.ref_mask = task_.ref_mask;
  input.attempt = task_.attempt;
  // EXEC-5: a call whose coroutine waits keeps its input, and reads it again when it ends.
  const auto payload = std::make_shared<const std::vector<std::byte>>(std::move(task_.payload));
  input.keepalive = payload;
  std::span<const std::byte> bytes(*payload);
  if (task_.stored) bytes = arguments_.read_block(task_.location, input);
  if (task_.parts) return arguments_.read_parts(bytes, context, input);
  input.values = {bytes, task_.framed, nullptr};
}

void MessageTask::reply(Ended& ended, std::vector<detail::WireRef> kept) {
  client::ReplyParts reply;
  reply.user_exception = ended.user_exception;
  reply.kept = std::move(kept);
  reply.streamed = ended.items.has_value();
  reply.items = ended.items.value_or(0);
  try {
    if (ended.ok) {
      reply.value = client::reply_value(client_.store().make_value(ended.result, client::kStoredFromBytes));
      reply.contained = client_.references().export_to(ended.result.refs(), head().submitter);  // EXEC-2
    }
  } catch (const Error& failed) {
    ended.ok = false;
    ended.error = failed.with_context("result of a task");
  }
  if (!ended.ok) {
    reply.failed = true;
    reply.error = net::to_wire(*ended.error);
  }
  std::vector<std::byte> bytes = client::encode(reply);
  if (bytes.size() > kLongestReplyBytes) {
    client::ReplyParts less;
    less.kept = std::move(reply.kept);
    less.failed = true;
    less.error = net::to_wire(
        Error(ErrorCode::invalid_argument, "the references in the result of a task, or the text of its error, take " +
                                               std::to_string(bytes.size()) + " bytes; at most " +
                                               std::to_string(kLongestReplyBytes) + " go to another node"));
    bytes = client::encode(less);
  }
  client_.node().wait_for_space();
  client_.node().send_to_peer(head().submitter, net::TaskDone{task_.position, std::move(bytes)});
}

}  // namespace manta::worker
