// Event files: records of TFRecord, each an Event in protobuf's wire format. The few fields needed are written by hand,
// since a protobuf library beside LibTorch's own symbols would not work.
//
//   message Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
//   message Summary { message Value { string tag = 1; float simple_value = 2; TensorProto tensor = 8;
//                                     SummaryMetadata metadata = 9; } repeated Value value = 1; }
//   message SummaryMetadata { message PluginData { string plugin_name = 1; } PluginData plugin_data = 1; }
//   message TensorProto { DataType dtype = 1; TensorShapeProto tensor_shape = 2; repeated bytes string_val = 8; }
//   message TensorShapeProto { message Dim { int64 size = 1; } repeated Dim dim = 2; }
//
// Hyperparameters are the plug-in's own messages, in SummaryMetadata.PluginData.content = 2, with an empty tensor.
//
//   message HParamsPluginData { Experiment experiment = 2; SessionStartInfo session_start_info = 3;
//                               SessionEndInfo session_end_info = 4; }
//   message SessionStartInfo { map<string, Value> hparams = 1; string group_name = 4; double start_time_secs = 5; }
//   message SessionEndInfo { Status status = 1; double end_time_secs = 2; }
//   message Experiment { string name = 6; double time_created_secs = 3; repeated HParamInfo hparam_infos = 4;
//                        repeated MetricInfo metric_infos = 5; }
//   message HParamInfo { string name = 1; DataType type = 4; }
//   message MetricInfo { message MetricName { string group = 1; string tag = 2; } MetricName name = 1; }
//   message Value { double number_value = 2; string string_value = 3; bool bool_value = 4; }
#include <manta/report/tensorboard.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include <manta/files/append_file.h>
#include <manta/files/file.h>
#include <manta/report/text.h>

#include "core/report/crc32c.h"
#include "core/report/message.h"

namespace manta::report {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBuffered = 64 << 10;
constexpr Clock::duration kWait = std::chrono::seconds(1);
constexpr std::uint64_t kStringType = 7;  // DT_STRING
constexpr std::uint64_t kFloatType = 1;   // DT_FLOAT

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Message event_at(std::int64_t step) {
  return Message().fixed(1, unix_time()).number(2, static_cast<std::uint64_t>(step));
}

// Of TensorBoard's plug-in for hyperparameters.
Message hparams_event(std::string_view tag, int kind, const Message& content) {
  const Message data = Message().message(kind, content);
  const Message plugin = Message().bytes(1, "hparams").message(2, data);
  const Message shape = Message().message(2, Message());  // a dimension of size 0
  const Message tensor = Message().number(1, kFloatType).message(2, shape);
  const Message value = Message().bytes(1, tag).message(8, tensor).message(9, Message().message(1, plugin));
  return event_at(0).message(5, Message().message(1, value));
}

Message value_of(const HParam& value) {
  if (const auto* number = std::get_if<double>(&value)) return Message().fixed(2, *number);
  if (const auto* flag = std::get_if<bool>(&value)) return Message().number(4, *flag ? 1 : 0);
  return Message().bytes(3, as_utf8(std::get<std::string>(value)));
}

std::uint64_t type_of(const HParam& value) {
  return std::holds_alternative<std::string>(value) ? 1 : std::holds_alternative<bool>(value) ? 2 : 3;
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
  const Message tensor = Message().number(1, kStringType).message(2, Message().message(2, one)).bytes(8, as_utf8(text));
  const Message metadata = Message().message(1, Message().bytes(1, "text"));
  const Message value = Message().bytes(1, as_utf8(tag)).message(8, tensor).message(9, metadata);
  file_->add(event_at(step).message(5, Message().message(1, value)));
}

void TensorBoardWriter::begin_session(const HParams& hparams, std::string_view group) {
  Message start;
  for (const auto& [name, value] : hparams) {
    start.message(1, Message().bytes(1, as_utf8(name)).message(2, value_of(value)));
  }
  if (!group.empty()) start.bytes(4, as_utf8(group));
  file_->add(hparams_event("_hparams_/session_start_info", 3, start.fixed(5, unix_time())));
}

void TensorBoardWriter::end_session(bool good) {
  file_->add(hparams_event("_hparams_/session_end_info", 4, Message().number(1, good ? 1 : 2).fixed(2, unix_time())));
}

void TensorBoardWriter::add_experiment(std::string_view name, const HParams& hparams,
                                       const std::vector<std::string>& metrics) {
  Message experiment;
  experiment.bytes(6, as_utf8(name)).fixed(3, unix_time());
  for (const auto& [each, value] : hparams) {
    experiment.message(4, Message().bytes(1, as_utf8(each)).number(4, type_of(value)));
  }
  for (const std::string& metric : metrics) {
    experiment.message(5, Message().message(1, Message().bytes(2, as_utf8(metric))));
  }
  file_->add(hparams_event("_hparams_/experiment", 2, experiment));
}

void TensorBoardWriter::flush() { file_->flush(); }
const std::optional<Error>& TensorBoardWriter::error() const { return file_->file.error(); }
const std::filesystem::path& TensorBoardWriter::path() const { return file_->file.path(); }

}  // namespace manta::report
