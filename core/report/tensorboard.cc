// Event files: records of TFRecord, each an Event in protobuf's wire format. The few fields needed are written by hand,
// since a protobuf library beside LibTorch's own symbols would not work.
//
//   message Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
//   message Summary { message Value { string tag = 1; float simple_value = 2; TensorProto tensor = 8;
//                                     SummaryMetadata metadata = 9; } repeated Value value = 1; }
//   message SummaryMetadata { message PluginData { string plugin_name = 1; } PluginData plugin_data = 1; }
//   message TensorProto { DataType dtype = 1; TensorShapeProto tensor_shape = 2; repeated bytes string_val = 8; }
//   message TensorShapeProto { message Dim { int64 size = 1; } repeated Dim dim = 2; }
#include <manta/report/tensorboard.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include <manta/files/append_file.h>
#include <manta/files/file.h>
#include <manta/report/text.h>

#include "core/report/crc32c.h"

namespace manta::report {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBuffered = 64 << 10;
constexpr Clock::duration kWait = std::chrono::seconds(1);
constexpr std::uint64_t kStringType = 7;  // DT_STRING

static_assert(std::endian::native == std::endian::little);

template <class T>
void add_raw(std::string& out, T value) {
  std::array<char, sizeof(T)> bytes;
  std::memcpy(bytes.data(), &value, sizeof value);
  out.append(bytes.data(), bytes.size());
}

// A message of protobuf while it is made.
class Message {
 public:
  Message& number(int field, std::uint64_t value) {
    tag(field, 0);
    varint(value);
    return *this;
  }
  Message& fixed(int field, double value) {
    tag(field, 1);
    add_raw(bytes_, value);
    return *this;
  }
  Message& fixed(int field, float value) {
    tag(field, 5);
    add_raw(bytes_, value);
    return *this;
  }
  Message& bytes(int field, std::string_view value) {
    tag(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return bytes(field, value.bytes_); }
  const std::string& done() const { return bytes_; }

 private:
  void tag(int field, unsigned wire) { varint(static_cast<std::uint64_t>(field) << 3 | wire); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

Message event_at(std::int64_t step) {
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return Message().fixed(1, now).number(2, static_cast<std::uint64_t>(step));
}

std::filesystem::path new_path(const std::filesystem::path& folder) {
  static std::atomic<int> count{0};
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0 || host[0] == 0) host = {"localhost"};
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  return folder / ("events.out.tfevents." + std::to_string(seconds.count()) + "." + host.data() + "." +
                   std::to_string(getpid()) + "." + std::to_string(count++));
}

}  // namespace

struct TensorBoardWriter::File {
  explicit File(const std::filesystem::path& folder) : file(new_path(folder)) {}

  void add(const Message& event) {
    const std::string& data = event.done();
    const std::uint64_t length = data.size();
    std::array<char, sizeof length> length_bytes;
    std::memcpy(length_bytes.data(), &length, sizeof length);
    add_raw(buffer, length);
    add_raw(buffer, masked_crc32c({length_bytes.data(), length_bytes.size()}));
    buffer += data;
    add_raw(buffer, masked_crc32c(data));
    if (buffer.size() >= kBuffered || Clock::now() >= next) flush();
  }
  void flush() {
    if (!buffer.empty()) file.append(buffer);
    buffer.clear();
    next = Clock::now() + kWait;
  }

  files::AppendFile file;
  std::string buffer;  // whole records
  Clock::time_point next{};
};

TensorBoardWriter::TensorBoardWriter(const std::filesystem::path& folder) {
  files::make_folders(folder);
  file_ = std::make_unique<File>(folder);
  file_->add(event_at(0).bytes(3, "brain.Event:2"));
}

TensorBoardWriter::TensorBoardWriter(TensorBoardWriter&&) noexcept = default;

TensorBoardWriter& TensorBoardWriter::operator=(TensorBoardWriter&& other) noexcept {
  if (file_ && this != &other) file_->flush();
  file_ = std::move(other.file_);
  return *this;
}

TensorBoardWriter::~TensorBoardWriter() {
  if (file_) file_->flush();
}

void TensorBoardWriter::add_scalar(std::string_view tag, double value, std::int64_t step) {
  const Message scalar = Message().bytes(1, as_utf8(tag)).fixed(2, static_cast<float>(value));
  file_->add(event_at(step).message(5, Message().message(1, scalar)));
}

void TensorBoardWriter::add_scalars(const Metrics& metrics, std::int64_t step, std::string_view prefix) {
  if (metrics.empty()) return;
  Message summary;
  for (const auto& [name, value] : metrics) {
    summary.message(1, Message().bytes(1, as_utf8(std::string(prefix) + name)).fixed(2, static_cast<float>(value)));
  }
  file_->add(event_at(step).message(5, summary));
}

void TensorBoardWriter::add_text(std::string_view tag, std::string_view text, std::int64_t step) {
  const Message one = Message().number(1, 1);  // the size of the only dimension
  const Message tensor =
      Message().number(1, kStringType).message(2, Message().message(2, one)).bytes(8, as_utf8(text));
  const Message metadata = Message().message(1, Message().bytes(1, "text"));
  const Message value = Message().bytes(1, as_utf8(tag)).message(8, tensor).message(9, metadata);
  file_->add(event_at(step).message(5, Message().message(1, value)));
}

void TensorBoardWriter::flush() { file_->flush(); }
const std::optional<Error>& TensorBoardWriter::error() const { return file_->file.error(); }
const std::filesystem::path& TensorBoardWriter::path() const { return file_->file.path(); }

}  // namespace manta::report
