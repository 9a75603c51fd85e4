// Reading. SAFE-1: every number of the file is checked before use: offsets against the file's size, sizes against
// overflow. SAFE-2: the tensors fill the data from start to end, with no gap and no overlap. SAFE-3: JSON that is
// nested more deeply than the format needs is refused before it is built.
#include <manta/train/safetensors.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <torch/torch.h>
#include <nlohmann/json.hpp>

#include <manta/error.h>
#include <manta/files/file.h>

#include "train/checkpoint/dtypes.h"

namespace manta::train {
namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error(ErrorCode::invalid_argument, path.string() + ": not a whole safetensors file: " + why +
                                               ". Next: get the file anew, or take another one.");
}

// The mapped file, which lives as long as the tensors that refer to it.
class Mapping {
 public:
  explicit Mapping(const std::filesystem::path& path) {
    const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) throw files::file_error(path, "cannot be opened", errno);
    struct stat about {};
    int error = fstat(descriptor, &about) == 0 ? 0 : errno;
    if (error == 0 && !S_ISREG(about.st_mode)) error = S_ISDIR(about.st_mode) ? EISDIR : ENODEV;
    if (error == 0 && about.st_size > 0) {
      size_ = static_cast<std::size_t>(about.st_size);
      void* at = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor, 0);
      if (at == MAP_FAILED) {
        error = errno;
        size_ = 0;
      } else {
        data_ = static_cast<std::byte*>(at);
      }
    }
    close(descriptor);
    if (error != 0) throw files::file_error(path, "cannot be read", error);
  }
  ~Mapping() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

struct Entry {
  std::string name;
  c10::ScalarType type = c10::ScalarType::Float;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

Json parse_header(const std::filesystem::path& path, const char* begin, std::size_t bytes) {
  std::set<std::string> names;
  std::string why;
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    const bool opens = event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth > 2) throw std::length_error("the header's JSON is nested too deeply");  // SAFE-3
    if (event == Json::parse_event_t::key && depth == 1 && !names.insert(parsed.get<std::string>()).second) {
      throw std::length_error("the header names '" + parsed.get<std::string>() + "' twice");
    }
    return true;
  };
  try {
    Json header = Json::parse(begin, begin + bytes, check);
    if (header.is_object()) return header;
    why = "the header is not a JSON object";
  } catch (const Json::exception&) {
    why = "the header is not JSON";
  } catch (const std::length_error& error) {
    why = error.what();
  }
  refuse(path, why);
}

// A non-negative integer that fits std::int64_t.
bool is_size(const Json& value) {
  return value.is_number_unsigned() &&
         value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
}

Entry parse_entry(const std::filesystem::path& path, const std::string& name, const Json& value) {
  const auto wrong = [&](const std::string& why) { refuse(path, "tensor '" + name + "' " + why); };
  if (!value.is_object()) wrong("is described by something else than an object");
  const auto dtype = value.find("dtype");
  const auto shape = value.find("shape");
  const auto offsets = value.find("data_offsets");
  if (dtype == value.end() || shape == value.end() || offsets == value.end())
    wrong("lacks dtype, shape or data_offsets");
  if (!dtype->is_string()) wrong("has a dtype that is not a string");
  const auto type = dtype_named(dtype->get_ref<const std::string&>());
  if (!type) wrong("has the unknown dtype '" + dtype->get<std::string>() + "'");
  if (!shape->is_array() || !std::all_of(shape->begin(), shape->end(), is_size)) wrong("has a shape that is none");
  if (!offsets->is_array() || offsets->size() != 2 || !std::all_of(offsets->begin(), offsets->end(), is_size)) {
    wrong("has data_offsets that are none");
  }
  Entry entry{name, *type, shape->get<std::vector<std::int64_t>>(), (*offsets)[0].get<std::uint64_t>(),
              (*offsets)[1].get<std::uint64_t>()};
  std::uint64_t bytes = c10::elementSize(*type);
  std::uint64_t nonzero = bytes;  // zero sizes left out, since strides multiply the others
  for (const std::int64_t size : entry.shape) {
    if (size != 0 && __builtin_mul_overflow(nonzero, static_cast<std::uint64_t>(size), &nonzero)) nonzero = UINT64_MAX;
    if (nonzero > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) wrong("has too large a shape");
    bytes = size == 0 ? 0 : bytes;
  }
  bytes = bytes == 0 ? 0 : nonzero;
  if (entry.end < entry.begin || entry.end - entry.begin != bytes) {
    wrong("has data_offsets of " + std::to_string(static_cast<std::int64_t>(entry.end - entry.begin)) +
          " bytes; its shape needs " + std::to_string(bytes));
  }
  return entry;
}

FileMetadata parse_metadata(const std::filesystem::path& path, const Json& value) {
  FileMetadata metadata;
  if (!value.is_object()) refuse(path, "__metadata__ is not an object");
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) refuse(path, "__metadata__ has something else than strings");
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

// SAFE-2
void check_layout(const std::filesystem::path& path, std::vector<Entry>& entries, std::uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::uint64_t filled = 0;
  for (const Entry& entry : entries) {
    if (entry.begin < filled) refuse(path, "tensor '" + entry.name + "' overlaps another one");
    if (entry.begin > filled) refuse(path, "there is a gap before tensor '" + entry.name + "'");
    filled = entry.end;
  }
  if (filled != data_bytes) {
    refuse(path, "its tensors need " + std::to_string(filled) + " bytes, and the file has " +
                     std::to_string(data_bytes) + " for them");
  }
}

torch::Tensor view(const std::filesystem::path& path, const std::shared_ptr<Mapping>& mapping, std::byte* data,
                   const Entry& entry) {
  const auto options = torch::TensorOptions().dtype(entry.type);
  const std::size_t bytes = entry.end - entry.begin;
  if (bytes == 0) return torch::empty(entry.shape, options);
  std::byte* at = data + entry.begin;
  if (entry.type == c10::ScalarType::Bool &&
      std::any_of(at, at + bytes, [](std::byte value) { return value > std::byte{1}; })) {
    refuse(path, "tensor '" + entry.name + "' of BOOL has bytes other than 0 and 1");
  }
  if (reinterpret_cast<std::uintptr_t>(at) % c10::elementSize(entry.type) != 0) {
    torch::Tensor copy = torch::empty(entry.shape, options);
    std::memcpy(copy.mutable_data_ptr(), at, bytes);
    return copy;
  }
  return torch::from_blob(
      at, entry.shape, [mapping](void*) {}, options);
}

}  // namespace

SafeTensors load_safetensors(const std::filesystem::path& path) {
  const auto mapping = std::make_shared<Mapping>(path);
  std::uint64_t header_bytes = 0;
  if (mapping->size() < sizeof header_bytes) refuse(path, "it has no header");
  std::memcpy(&header_bytes, mapping->data(), sizeof header_bytes);
  if (header_bytes > kMaxHeaderBytes) refuse(path, "its header would have " + std::to_string(header_bytes) + " bytes");
  if (header_bytes > mapping->size() - sizeof header_bytes) refuse(path, "it ends within its header");
  const auto* header_at = reinterpret_cast<const char*>(mapping->data() + sizeof header_bytes);
  const Json header = parse_header(path, header_at, header_bytes);

  SafeTensors result;
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      result.metadata = parse_metadata(path, value);
    } else {
      entries.push_back(parse_entry(path, name, value));
    }
  }
  check_layout(path, entries, mapping->size() - sizeof header_bytes - header_bytes);
  for (const Entry& entry : entries) {
    result.tensors[entry.name] = view(path, mapping, mapping->data() + sizeof header_bytes + header_bytes, entry);
  }
  return result;
}

}  // namespace manta::train
