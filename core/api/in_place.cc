// Objects that are made where they are stored.
#include <utility>

#include <manta/buffer.h>
#include <manta/get.h>

#include "core/client/client.h"

namespace manta {

using client::Client;

struct InPlace {
  // In front of the bytes: what encodes a Buffer around them.
  static constexpr std::size_t kFrame = serial::kBufferAlignment;

  static UniqueBuffer create(std::size_t size_bytes) {
    Client& client = Client::require();
    // More than any store holds, and a negative number made unsigned: kFrame more would begin again at 0.
    if (size_bytes > std::size_t{1} << 62) {
      throw Error(ErrorCode::invalid_argument, "create_buffer of " + std::to_string(size_bytes) +
                                                   " bytes: give at most 2^62; was a negative number converted?");
    }
    const auto block = client.store().allocate(kFrame + size_bytes);
    if (!block) throw_error(block.error());
    UniqueBuffer buffer;
    buffer.bytes_ = {block->data + kFrame, size_bytes};
    buffer.block_ = block->offset;
    buffer.runtime_ = client.instance();
    client.store().prepare(*block);
    return buffer;
  }

  static Ref<Buffer> put(UniqueBuffer& buffer) {
    Client& client = Client::require();
    if (buffer.runtime_ != client.instance()) {
      throw Error(ErrorCode::invalid_argument,
                  "put of a buffer that is empty, moved from, or of another Runtime: make it with create_buffer");
    }
    serial::Writer writer;
    const std::shared_ptr<const void> kept_by_block(buffer.bytes_.data(), [](const void*) {});
    writer(Buffer{buffer.bytes_.data(), buffer.bytes_.size(), kept_by_block});
    writer.encode_into(buffer.bytes_.data() - kFrame);
    const owner::StoredLocation at{client.self(), buffer.block_, writer.encoded_size()};
    buffer.runtime_ = 0;
    return Ref<Buffer>::adopt(client.submitting().put(owner::Value::at(at, writer.framed()), {}));
  }

  static void free(const UniqueBuffer& buffer) {
    Client* client = Client::current();
    if (client == nullptr || buffer.runtime_ != client->instance()) return;
    client->store().free(buffer.block_);
  }
};

UniqueBuffer create_buffer(std::size_t size_bytes) { return InPlace::create(size_bytes); }
Ref<Buffer> put(UniqueBuffer buffer) { return InPlace::put(buffer); }
UniqueBuffer::~UniqueBuffer() {
  if (runtime_ != 0) InPlace::free(*this);
}

}  // namespace manta
