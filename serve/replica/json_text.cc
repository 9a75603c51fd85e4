// Reads and writes JSON with RapidJSON, like Triton: NaN and infinities are read and written as NaN, Infinity and
// -Infinity, as Triton and Python do. nlohmann::json writes null for them and cannot read them.
#include <algorithm>
#include <string>
#include <vector>

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <manta/serve/detail/replica.h>

namespace manta::serve::detail {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kDepth = 256;  // copying JSON uses stack for each level

// Builds a value from RapidJSON's events.
class Builder {
 public:
  bool Null() { return put(nullptr); }
  bool Bool(bool value) { return put(value); }
  bool Int(int value) { return put(static_cast<std::int64_t>(value)); }
  bool Uint(unsigned value) { return put(static_cast<std::uint64_t>(value)); }
  bool Int64(std::int64_t value) { return put(value); }
  bool Uint64(std::uint64_t value) { return put(value); }
  bool Double(double value) { return put(value); }
  bool RawNumber(const char*, rapidjson::SizeType, bool) { return false; }  // not used
  bool String(const char* text, rapidjson::SizeType size, bool) { return put(std::string(text, size)); }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    key_.assign(text, size);
    return true;
  }
  bool StartObject() { return open(Json::object()); }
  bool StartArray() { return open(Json::array()); }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool EndArray(rapidjson::SizeType) { return close(); }

  Json take() { return std::move(root_); }

 private:
  Json& place(Json&& value) {
    if (open_.empty()) return root_ = std::move(value);
    Json& in = *open_.back();
    if (in.is_object()) return in[key_] = std::move(value);
    in.push_back(std::move(value));
    return in.back();
  }
  template <class T>
  bool put(T&& value) {
    place(Json(std::forward<T>(value)));
    return true;
  }
  bool open(Json&& empty) {
    if (open_.size() == kDepth) return false;
    open_.push_back(&place(std::move(empty)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Json root_;
  std::vector<Json*> open_;  // pointers stay valid until each is closed: only the last one grows
  std::string key_;
};

std::string where(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const std::size_t line = before.rfind('\n');
  return "line " + std::to_string(1 + std::count(before.begin(), before.end(), '\n')) + ", column " +
         std::to_string(before.size() - (line == std::string_view::npos ? 0 : line + 1) + 1);
}

using Writer = rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::UTF8<>, rapidjson::CrtAllocator,
                                 rapidjson::kWriteNanAndInfFlag>;

void write_string(Writer& writer, const std::string& text, Json::error_handler_t handler) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
    writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  } else {  // RapidJSON cannot replace invalid UTF-8
    const std::string quoted = Json(text).dump(-1, ' ', false, handler);
    writer.RawValue(quoted.data(), quoted.size(), rapidjson::kStringType);
  }
}

void write(Writer& writer, const Json& json, Json::error_handler_t handler) {
  switch (json.type()) {
    case Json::value_t::boolean:
      writer.Bool(json.get<bool>());
      return;
    case Json::value_t::number_integer:
      writer.Int64(json.get<std::int64_t>());
      return;
    case Json::value_t::number_unsigned:
      writer.Uint64(json.get<std::uint64_t>());
      return;
    case Json::value_t::number_float:
      writer.Double(json.get<double>());
      return;
    case Json::value_t::string:
      write_string(writer, json.get_ref<const std::string&>(), handler);
      return;
    case Json::value_t::array:
      writer.StartArray();
      for (const Json& value : json) write(writer, value, handler);
      writer.EndArray();
      return;
    case Json::value_t::object:
      writer.StartObject();
      for (auto it = json.begin(); it != json.end(); ++it) {
        write_string(writer, it.key(), handler);
        write(writer, it.value(), handler);
      }
      writer.EndObject();
      return;
    default:
      writer.Null();
      return;
  }
}

}  // namespace

Json read_json(std::string_view text) {
  using rapidjson::kParseFullPrecisionFlag, rapidjson::kParseIterativeFlag, rapidjson::kParseNanAndInfFlag,
      rapidjson::kParseValidateEncodingFlag;
  constexpr std::string_view kMark = "\xef\xbb\xbf";  // byte order mark: RFC 8259, 8.1 lets a reader skip it
  if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::Reader reader;
  Builder builder;
  constexpr unsigned kFlags =
      kParseFullPrecisionFlag | kParseIterativeFlag | kParseNanAndInfFlag | kParseValidateEncodingFlag;
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, builder);
  if (result.Code() == rapidjson::kParseErrorTermination) {
    throw HttpError(400, "the JSON is nested more than " + std::to_string(kDepth) + " levels deep");
  }
  if (result.IsError()) {
    throw HttpError(400, "the body is no JSON: " + where(text, result.Offset()) + ": " +
                             rapidjson::GetParseError_En(result.Code()));
  }
  if (stream.Tell() != text.size())
    throw HttpError(400, "the body is no JSON: " + where(text, stream.Tell()) + ": a NUL byte");
  return builder.take();
}

std::string write_json(const Json& json, Json::error_handler_t handler) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  write(writer, json, handler);
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace manta::serve::detail
