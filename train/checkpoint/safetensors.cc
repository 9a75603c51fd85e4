// Writing. The format's own reader requires each tensor at a multiple of its element's size; the order by element size,
// largest first, gives that without gaps.
#include <manta/train/safetensors.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
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

static_assert(std::endian::native == std::endian::little);

using Json = nlohmann::json;

torch::Tensor plain(const std::filesystem::path& path, const std::string& name, const torch::Tensor& tensor) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::invalid_argument, path.string() + ": tensor '" + name + "' " + why);
  };
  if (name == "__metadata__") refuse("has a name that the format keeps for itself. Next: name it otherwise.");
  if (!tensor.defined()) refuse("is undefined. Next: leave it out.");
  if (tensor.layout() != torch::kStrided || tensor.is_quantized()) refuse("is not dense. Next: call to_dense() on it.");
  if (dtype_name(tensor.scalar_type()).empty()) {
    refuse("is of a type that safetensors has none for: " + std::string(c10::toString(tensor.scalar_type())) +
           ". Next: convert it, or view it as another type (torch::view_as_real).");
  }
  return tensor.detach().to(torch::kCPU).resolve_conj().resolve_neg().contiguous();
}

void write(const std::filesystem::path& path, const NamedTensors& tensors, const FileMetadata& metadata) {
  std::vector<std::pair<std::string, torch::Tensor>> in_order;
  for (const auto& [name, tensor] : tensors) in_order.emplace_back(name, plain(path, name, tensor));
  std::stable_sort(in_order.begin(), in_order.end(),
                   [](const auto& a, const auto& b) { return a.second.element_size() > b.second.element_size(); });

  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::size_t offset = 0;
  for (const auto& [name, tensor] : in_order) {
    const std::size_t end = offset + tensor.nbytes();
    header[name] = {
        {"dtype", dtype_name(tensor.scalar_type())}, {"shape", tensor.sizes().vec()}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception&) {
    throw Error(ErrorCode::invalid_argument, path.string() +
                                                 ": a tensor's name or the metadata is not UTF-8. Next: "
                                                 "use names in UTF-8.");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > kMaxHeaderBytes) {
    throw Error(ErrorCode::invalid_argument, path.string() + ": the names of the tensors need more than the " +
                                                 std::to_string(kMaxHeaderBytes) + " bytes that the format allows.");
  }

  files::OutputFile file(path);
  const std::uint64_t length = text.size();
  file.write(&length, sizeof length);
  file.write(text.data(), text.size());
  for (const auto& [name, tensor] : in_order) file.write(tensor.const_data_ptr(), tensor.nbytes());
  file.finish();
}

}  // namespace

void save_safetensors(const std::filesystem::path& path, const NamedTensors& tensors, const FileMetadata& metadata) {
  try {
    write(path, tensors, metadata);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::exhausted || error.code() == ErrorCode::unavailable) {
      std::error_code ignored;
      std::filesystem::remove(path, ignored);
    }
    throw;
  }
}

}  // namespace manta::train
