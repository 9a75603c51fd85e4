// LibTorch saves an optimizer as a TorchScript archive, which Python's torch.load refuses by default. This file pickles
// the archive's contents as plain dictionaries (submodules too), and turns them back into an archive.
#include "train/checkpoint/optimizer_file.h"

#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/csrc/jit/serialization/pickler.h>
#include <torch/serialize.h>

#include <manta/error.h>
#include <manta/files/file.h>

namespace manta::train {
namespace {

c10::IValue dictionary_of(const torch::jit::Module& module) {
  c10::impl::GenericDict dictionary(c10::StringType::get(), c10::AnyType::get());
  for (const auto& attribute : module.named_attributes(/*recurse=*/false)) {
    if (attribute.name == "training" || attribute.name == "_is_full_backward_hook") continue;  // every module has them
    dictionary.insert(attribute.name,
                      attribute.value.isModule() ? dictionary_of(attribute.value.toModule()) : attribute.value);
  }
  return dictionary;
}

void fill(torch::serialize::OutputArchive& archive, const c10::IValue& dictionary) {
  for (const auto& item : dictionary.toGenericDict()) {
    const std::string& key = item.key().toStringRef();
    if (item.value().isTensor()) {
      archive.write(key, item.value().toTensor(), /*is_buffer=*/true);
    } else if (item.value().isGenericDict()) {
      torch::serialize::OutputArchive nested(archive.compilation_unit());
      fill(nested, item.value());
      archive.write(key, nested);
    } else {
      archive.write(key, item.value());
    }
  }
}

// Writes the zip file of torch.save, with tensors.
void write_pickle(const c10::IValue& value, const std::function<std::size_t(const void*, std::size_t)>& write) {
  std::string pickle;
  torch::jit::Pickler pickler([&](const char* data, std::size_t bytes) { pickle.append(data, bytes); }, nullptr,
                              nullptr, nullptr, nullptr, /*tag_aggregates=*/false);
  pickler.protocol();
  pickler.pushIValue(value);
  pickler.stop();
  caffe2::serialize::PyTorchStreamWriter writer(write);
  writer.writeRecord("data.pkl", pickle.data(), pickle.size());
  std::size_t index = 0;
  for (const at::Tensor& tensor : pickler.tensorData()) {
    const torch::jit::WriteableTensorData data = torch::jit::getWriteableTensorData(tensor);
    writer.writeRecord("data/" + std::to_string(index++), data.data(), data.sizeInBytes());
  }
  writer.writeEndOfFile();
}

}  // namespace

void save_optimizer(const std::filesystem::path& path, const torch::optim::Optimizer& optimizer) {
  std::stringstream torchscript;
  {
    torch::serialize::OutputArchive archive;
    optimizer.save(archive);
    archive.save_to(torchscript);
  }
  const c10::IValue dictionary = dictionary_of(torch::jit::load(torchscript));
  files::OutputFile file(path);
  std::optional<Error> failed;
  write_pickle(dictionary, [&](const void* data, std::size_t bytes) -> std::size_t {
    // LibTorch's writer ends the process when it cannot write its file's end. So this keeps the first failure and
    // claims success.
    if (failed) return bytes;
    try {
      file.write(data, bytes);
    } catch (const Error& error) {
      failed = error;
    }
    return bytes;
  });
  if (failed) throw *failed;
  file.finish();
}

void read_optimizer(const std::filesystem::path& path, torch::optim::Optimizer& optimizer) {
  try {
    torch::Device device = torch::kCPU;
    for (const auto& group : optimizer.param_groups()) {
      if (!group.params().empty()) device = group.params().front().device();
    }
    const std::string bytes = files::read_file(path, std::filesystem::file_size(path));
    std::stringstream torchscript;
    {
      torch::serialize::OutputArchive archive;
      fill(archive, torch::pickle_load(std::vector<char>(bytes.begin(), bytes.end())));
      archive.save_to(torchscript);
    }
    torch::serialize::InputArchive archive;
    archive.load_from(torchscript, device);
    optimizer.load(archive);
  } catch (const std::exception& error) {
    const auto* torchs = dynamic_cast<const c10::Error*>(&error);
    throw Error(ErrorCode::invalid_argument, path.string() + ": is damaged: " +
                                                 (torchs != nullptr ? torchs->what_without_backtrace() : error.what()) +
                                                 ". Next: copy the checkpoint again, or take another one.");
  }
}

}  // namespace manta::train
