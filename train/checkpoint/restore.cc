// Restoring. RESTORE-1: all parts are compared before any is changed. Steps that can fail only when tried (reading an
// optimizer's file, a part of the user's) come first and are undone if a later step fails.
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <manta/error.h>
#include <manta/train/safetensors.h>

#include "train/checkpoint/contents.h"
#include "train/checkpoint/optimizer_file.h"

namespace manta::train {
namespace {

namespace fs = std::filesystem;

std::string shown(const torch::Tensor& tensor) {
  return std::string(c10::toString(tensor.scalar_type())) + c10::str(tensor.sizes());
}

// Actions in the order in which they run, each with its undo.
class Plan {
 public:
  // The actions of restore() on the state. Misfits go to `problems`. Reads files, changes nothing.
  Plan(const fs::path& folder, const Json& parts, State& state) : folder_(folder) {
    for (const auto& [name, part] : state.parts()) {
      const auto json = parts.find(name);
      if (json == parts.end()) {
        problems_.push_back(name + ": not in the checkpoint");
      } else if (json->at("kind") != kind_of(part)) {
        problems_.push_back(name + ": saved as " + json->at("kind").get<std::string>() + ", asked for as " +
                            kind_of(part));
      } else {
        std::visit([&, &key = name](const auto& value) { add(key, value, *json); }, part);
      }
    }
  }

  const std::vector<std::string>& problems() const { return problems_; }

  void carry_out() {
    std::size_t done = 0;
    try {
      for (; done < risky_.size(); ++done) risky_[done].first();
    } catch (...) {
      while (done-- > 0) {  // the failed action left its part unchanged
        try {
          risky_[done].second();
        } catch (...) {  // the user's part refuses its own state: the first failure says more
        }
      }
      throw;
    }
    for (const auto& action : safe_) action();
  }

 private:
  void add(const std::string& name, torch::nn::Module* module, const Json& json) {
    const auto prefix = json.at("prefix").get<std::string>();
    const NamedTensors& saved = model();
    const auto here = tensors_of(*module);
    for (const auto& item : here) {
      const auto at = saved.find(prefix + item.key());
      if (at == saved.end()) {
        problems_.push_back(name + "." + item.key() + ": not in the checkpoint");
      } else {
        copy(name + "." + item.key(), item.value(), at->second);
      }
    }
    for (auto at = saved.lower_bound(prefix); at != saved.end() && at->first.starts_with(prefix); ++at) {
      const std::string key = at->first.substr(prefix.size());
      if (!here.contains(key)) problems_.push_back(name + "." + key + ": in the checkpoint only");
    }
  }

  void add(const std::string& name, torch::optim::Optimizer* optimizer, const Json& json) {
    const Json here = describe(*optimizer);
    if (here.at("type") != json.at("type")) {
      problems_.push_back(name + ": saved from " + json.at("type").dump() + ", asked for as " + here.at("type").dump());
      return;
    }
    if (here.at("groups") != json.at("groups")) {
      problems_.push_back(name + ": saved with parameters of shapes " + json.at("groups").dump() + ", asked for with " +
                          here.at("groups").dump());
      return;
    }
    struct Before {
      std::remove_reference_t<decltype(optimizer->state())> state;
      std::vector<std::unique_ptr<torch::optim::OptimizerOptions>> options;
    };
    auto before = std::make_shared<Before>();
    const auto undo = [optimizer, before] {
      optimizer->state() = std::move(before->state);
      for (std::size_t i = 0; i < before->options.size(); ++i) {
        optimizer->param_groups()[i].set_options(std::move(before->options[i]));
      }
    };
    const auto load = [optimizer, before, undo, path = folder_ / (name + ".pt")] {
      for (auto& group : optimizer->param_groups()) before->options.push_back(group.options().clone());
      before->state = std::move(optimizer->state());
      optimizer->state() = {};  // LibTorch would keep its state of parameters that the file lacks
      try {
        read_optimizer(path, *optimizer);
      } catch (...) {
        undo();
        throw;
      }
    };
    risky_.emplace_back(load, undo);
  }

  void add(const std::string& name, at::Tensor* tensor, const Json& json) {
    if (!json.at("defined").get<bool>()) {
      safe_.push_back([tensor] { tensor->reset(); });
      return;
    }
    const auto at = tensors().find(name);
    if (at == tensors().end()) {
      problems_.push_back(name + ": not in " + (folder_ / kTensorsFile).string());
    } else if (tensor->defined()) {
      copy(name, *tensor, at->second);
    } else {
      safe_.push_back([tensor, saved = at->second] { *tensor = saved.clone(); });
    }
  }

  void add(const std::string&, const State::Custom& custom, const Json& json) {
    risky_.emplace_back([custom, saved = dict_from(json.at("value"))] { custom.load(saved); },
                        [custom, before = custom.save()] { custom.load(before); });
  }

  void add(const std::string&, std::int64_t* value, const Json& json) {
    safe_.push_back([value, saved = json.at("value").get<std::int64_t>()] { *value = saved; });
  }
  void add(const std::string&, double* value, const Json& json) {
    safe_.push_back([value, saved = double_from(json.at("value"))] { *value = saved; });
  }
  void add(const std::string&, std::string* value, const Json& json) {
    safe_.push_back([value, saved = json.at("value").get<std::string>()] { *value = saved; });
  }

  void copy(const std::string& name, const torch::Tensor& here, const torch::Tensor& saved) {
    if (here.scalar_type() != saved.scalar_type() || here.sizes() != saved.sizes()) {
      problems_.push_back(name + ": saved as " + shown(saved) + ", asked for as " + shown(here));
      return;
    }
    safe_.push_back([here, saved] {
      const torch::NoGradGuard guard;
      here.copy_(saved);
    });
  }

  const NamedTensors& model() { return read(model_, kModelFile); }
  const NamedTensors& tensors() { return read(tensors_, kTensorsFile); }
  const NamedTensors& read(std::optional<NamedTensors>& read_before, const char* file) {
    const fs::path path = folder_ / file;
    if (!read_before) read_before = fs::exists(path) ? load_safetensors(path).tensors : NamedTensors{};
    return *read_before;
  }

  using Action = std::function<void()>;
  fs::path folder_;
  std::optional<NamedTensors> model_;
  std::optional<NamedTensors> tensors_;
  std::vector<std::string> problems_;
  std::vector<std::pair<Action, Action>> risky_;
  std::vector<Action> safe_;
};

}  // namespace

void Checkpoint::restore(State& state) const {
  try {
    Plan plan(folder(), contents_->parts, state);
    if (!plan.problems().empty()) {
      std::string message = folder().string() + ": this checkpoint is of something else:";
      for (const std::string& problem : plan.problems()) message += "\n  " + problem;
      throw Error(ErrorCode::invalid_argument, message + "\nNext: make the parts as they were when it was saved.");
    }
    plan.carry_out();  // RESTORE-1
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::invalid_argument, (folder() / kStateFile).string() + ": is damaged: " + error.what() +
                                                 ". Next: copy the checkpoint again, or take another one.");
  }
}

}  // namespace manta::train
