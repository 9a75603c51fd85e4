// Saving and opening. SAVE-1: a checkpoint under its name is complete: its files are durable before state.json names
// them, the folder before it is renamed. SAVE-2: a failed save leaves nothing behind.
#include <manta/train/checkpoint.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string>
#include <system_error>
#include <typeinfo>
#include <utility>
#include <vector>

#include <boost/core/demangle.hpp>

#include <manta/error.h>
#include <manta/files/file.h>
#include <manta/train/safetensors.h>

#include "train/checkpoint/contents.h"
#include "train/checkpoint/optimizer_file.h"

namespace manta::train {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& path, const std::string& why) {
  throw Error(ErrorCode::invalid_argument, path.string() + ": " + why);
}

// Writes the parts' files into a folder and returns the parts' entries in state.json.
class Writer {
 public:
  Writer(fs::path folder, const State& state) : folder_(std::move(folder)) {
    const auto is_module = [](const auto& part) { return std::holds_alternative<torch::nn::Module*>(part.second); };
    one_module_ = std::count_if(state.parts().begin(), state.parts().end(), is_module) == 1;
    for (const auto& [name, part] : state.parts()) {
      Json& json = parts_[name];
      json["kind"] = kind_of(part);
      std::visit([&, &key = name](const auto& value) { add(key, value, json); }, part);
    }
  }

  void add_random_states(const std::vector<torch::Tensor>& states) {
    for (std::size_t rank = 0; rank < states.size(); ++rank) {
      tensors_[random_state_name(static_cast<std::int64_t>(rank))] = states[rank];
    }
  }

  void add_rank_buffers(const std::vector<RankBuffers>& buffers) {
    for (std::size_t rank = 0; rank < buffers.size(); ++rank) {
      for (const auto& [name, tensor] : buffers[rank]) {
        tensors_[rank_buffer_name(static_cast<std::int64_t>(rank), name)] = tensor;
      }
    }
  }

  void write_tensors() {
    const FileMetadata metadata{{"format", "pt"}};  // like PyTorch's own files; some readers require it
    if (!model_.empty()) save_safetensors(folder_ / kModelFile, model_, metadata);
    if (!tensors_.empty()) save_safetensors(folder_ / kTensorsFile, tensors_, metadata);
  }

  const Json& parts() const { return parts_; }

 private:
  void add(const std::string& name, torch::nn::Module* module, Json& json) {
    const std::string prefix = one_module_ ? "" : name + ".";
    json["prefix"] = prefix;
    for (const auto& tensor : tensors_of(*module)) model_[prefix + tensor.key()] = tensor.value();
  }
  void add(const std::string& name, torch::optim::Optimizer* optimizer, Json& json) {
    json.update(describe(*optimizer));
    save_optimizer(folder_ / (name + ".pt"), *optimizer);
  }
  void add(const std::string& name, at::Tensor* tensor, Json& json) {
    json["defined"] = tensor->defined();
    if (tensor->defined()) tensors_[name] = *tensor;
  }
  void add(const std::string&, const State::Custom& custom, Json& json) { json["value"] = to_json(custom.save()); }
  template <class T>
  void add(const std::string&, T* value, Json& json) {
    json["value"] = to_json(StateValue(*value));
  }

  fs::path folder_;
  bool one_module_ = false;
  NamedTensors model_;
  NamedTensors tensors_;
  Json parts_ = Json::object();
};

void write_all(const fs::path& folder, const State& state, const CheckpointDetails& details) {
  Writer writer(folder, state);
  writer.add_random_states(details.random_states);
  writer.add_rank_buffers(details.rank_buffers);
  writer.write_tensors();
  Json json{{"format", kFormat},
            {"version", kVersion},
            {"step", details.step},
            {"metrics", to_json(details.metrics)},
            {"world_size", details.random_states.size()},
            {"time", std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count()},
            {"parts", writer.parts()},
            {"files", Json::array()}};
  for (const auto& file : fs::directory_iterator(folder)) {
    json["files"].push_back({{"name", file.path().filename().string()}, {"bytes", file.file_size()}});
  }
  std::string text;
  try {
    text = json.dump(1) + "\n";
  } catch (const Json::exception&) {
    refuse(folder,
           "a string of the state, or a metric's name, is not UTF-8. Next: encode it, for example as hexadecimal.");
  }
  files::OutputFile file(folder / kStateFile);
  file.write(text.data(), text.size());
  file.finish();
  files::sync_folder(folder);
}

void check_files(const fs::path& folder, const Json& files) {
  for (const Json& file : files) {
    const auto name = file.at("name").get<std::string>();
    const auto bytes = file.at("bytes").get<std::uintmax_t>();
    std::error_code error;
    const std::uintmax_t found = fs::file_size(folder / fs::path(name).filename(), error);
    if (error) refuse(folder / name, "missing: the checkpoint is not whole. Next: copy it again, or take another one.");
    if (found != bytes) {
      refuse(folder / name, "has " + std::to_string(found) + " bytes instead of " + std::to_string(bytes) +
                                ": the checkpoint is not whole. Next: copy it again, or take another one.");
    }
  }
}

fs::path without_slash(const fs::path& folder) { return folder.has_filename() ? folder : folder.parent_path(); }

}  // namespace

torch::OrderedDict<std::string, torch::Tensor> tensors_of(const torch::nn::Module& module) {
  torch::OrderedDict<std::string, torch::Tensor> tensors = module.named_parameters();
  for (const auto& buffer : module.named_buffers()) tensors.insert(buffer.key(), buffer.value());
  torch::OrderedDict<std::string, torch::Tensor> defined;
  for (const auto& tensor : tensors) {
    if (tensor.value().defined()) defined.insert(tensor.key(), tensor.value());
  }
  return defined;
}

Json describe(const torch::optim::Optimizer& optimizer) {
  Json groups = Json::array();
  for (const auto& group : optimizer.param_groups()) {
    Json& shapes = groups.emplace_back(Json::array());
    for (const auto& parameter : group.params()) shapes.push_back(parameter.sizes().vec());
  }
  return {{"type", boost::core::demangle(typeid(optimizer).name())}, {"groups", groups}};
}

std::string kind_of(const State::Part& part) {
  static constexpr std::array<const char*, std::variant_size_v<State::Part>> kinds{
      "module", "optimizer", "tensor", "number", "double", "string", "custom"};
  return kinds.at(part.index());
}

Checkpoint Checkpoint::save(const fs::path& name, const State& state, const CheckpointDetails& details) {
  const fs::path folder = without_slash(name);
  const fs::path parent = folder.has_parent_path() ? folder.parent_path() : fs::path(".");
  const fs::path part = folder.string() + ".part";
  std::error_code error;
  if (fs::exists(fs::symlink_status(folder, error))) {
    refuse(folder, "exists already. Next: name a new folder, or delete that one.");
  }
  files::make_folders(parent);
  fs::remove_all(part, error);  // left by a process that died
  if (!fs::create_directory(part, error)) {
    throw files::file_error(part, "cannot be made", error ? error.value() : EEXIST);
  }
  try {
    write_all(part, state, details);
    fs::rename(part, folder, error);  // SAVE-1
    if (error) throw files::file_error(part, "cannot be renamed to " + folder.string(), error.value());
  } catch (const c10::Error& failure) {
    fs::remove_all(part, error);
    refuse(part, "LibTorch could not save it: " + std::string(failure.what_without_backtrace()));
  } catch (...) {
    fs::remove_all(part, error);  // SAVE-2
    throw;
  }
  files::sync_folder(parent);
  return Checkpoint(folder);
}

Checkpoint::Checkpoint(const fs::path& name) {
  auto contents = std::make_shared<Contents>();
  contents->folder = without_slash(name);
  const fs::path file = contents->folder / kStateFile;
  std::error_code error;
  if (!fs::exists(contents->folder, error)) {
    throw Error(ErrorCode::not_found, contents->folder.string() +
                                          ": there is no such checkpoint. Next: see that the path "
                                          "is right; NAME.part is one whose saving was interrupted, and of no use.");
  }
  const std::string text = files::read_file(file, std::size_t{1} << 30);
  try {
    const Json json = Json::parse(text);
    if (json.at("format") != kFormat) refuse(file, "is not that of a checkpoint. Next: name a checkpoint's folder.");
    if (json.at("version") != kVersion) {
      refuse(file, "has version " + json.at("version").dump() + " of the format; this program knows version " +
                       std::to_string(kVersion) + ". Next: use the version of Manta that saved it.");
    }
    check_files(contents->folder, json.at("files"));
    contents->parts = json.at("parts");
    contents->metrics = metrics_from(json.at("metrics"));
    contents->step = json.at("step").get<std::int64_t>();
    contents->world_size = json.at("world_size").get<std::int64_t>();
    contents->time = json.at("time").get<double>();
  } catch (const Json::exception& failure) {
    refuse(file,
           "is damaged: " + std::string(failure.what()) + ". Next: copy the checkpoint again, or take another one.");
  }
  contents_ = std::move(contents);
}

const fs::path& Checkpoint::folder() const { return contents_->folder; }
const Metrics& Checkpoint::metrics() const { return contents_->metrics; }
std::int64_t Checkpoint::step() const { return contents_->step; }
std::int64_t Checkpoint::world_size() const { return contents_->world_size; }
double Checkpoint::time() const { return contents_->time; }

RankBuffers Checkpoint::rank_buffers(std::int64_t rank) const {
  RankBuffers buffers;
  const fs::path path = folder() / kTensorsFile;
  if (!fs::exists(path)) return buffers;
  const std::string prefix = rank_buffer_name(rank, "");
  const SafeTensors file = load_safetensors(path);
  for (auto at = file.tensors.lower_bound(prefix); at != file.tensors.end() && at->first.starts_with(prefix); ++at) {
    buffers.emplace(at->first.substr(prefix.size()), at->second.clone());
  }
  return buffers;
}

torch::Tensor Checkpoint::random_state(std::int64_t rank) const {
  const fs::path path = folder() / kTensorsFile;
  const SafeTensors file = world_size() > 0 ? load_safetensors(path) : SafeTensors{};
  const auto at = file.tensors.find(random_state_name(rank));
  if (at != file.tensors.end()) return at->second.clone();
  throw Error(ErrorCode::not_found, path.string() + ": has no random state of rank " + std::to_string(rank) +
                                        ", but of " + std::to_string(world_size()) +
                                        " ranks. Next: seed the generator of the others.");
}

}  // namespace manta::train
