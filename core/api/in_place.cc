// Objects that are made where they are stored.
#include <utility>

#include <manta/buffer.h>
#include <manta/get.h>
#include <manta/unique_buffer.h>

#include "core/client/client.h"

namespace manta {

using client::Client;

namespace {
// In front of the bytes: what encodes a Buffer around them.
constexpr std::size_t kFrame = serial::kBufferAlignment;
}  // namespace

UniqueBuffer create_buffer(std::size_t size_bytes) {
  Client& client = Client::require();
  // More than any store holds, and a negative number made unsigned: kFrame more would begin again at 0.
  if (size_bytes > std::size_t{1} << 62) {
    throw Error(ErrorCode::invalid_argument, "create_buffer of " + std::to_string(size_bytes) +
                                                 " bytes: give at most 2^62; was a negative number converted?");
  }
  const auto block = client.store().allocate(kFrame + size_bytes);
  if (!block) throw_error(block.error());
  UniqueBuffer buffer(UniqueBuffer::Place{{block->data + kFrame, size_bytes}, block->offset, client.instance()});
  client.store().prepare(*block);
  return buffer;
}

Ref<Buffer> put(UniqueBuffer buffer) {
  Client& client = Client::require();
  const UniqueBuffer::Place place = buffer.place();
  if (place.runtime != client.instance()) {
    throw Error(ErrorCode::invalid_argument,
                "put of a buffer that is empty, moved from, or of another Runtime: make it with create_buffer");
  }
  serial::Writer writer;
  const std::shared_ptr<const void> kept_by_block(place.bytes.data(), [](const void*) {});
  writer(Buffer{place.bytes.data(), place.bytes.size(), kept_by_block});
  writer.encode_into(place.bytes.data() - kFrame);
  const owner::StoredLocation at{client.self(), place.block, writer.encoded_size()};
  buffer.release();
  return Ref<Buffer>::adopt(client.submitting().put(owner::Value::at(at, writer.framed()), {}));
}

UniqueBuffer::~UniqueBuffer() {
  if (place_.runtime == 0) return;
  Client* client = Client::current();
  if (client != nullptr && place_.runtime == client->instance()) client->store().free(place_.block);
}

}  // namespace manta
