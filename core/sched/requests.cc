// What users write in options, as requests.
#include <algorithm>
#include <array>
#include <utility>

#include "core/sched/resources.h"

namespace manta::sched {

namespace {

constexpr int kMostPriority = 1000;
constexpr std::size_t kLongestResourceName = 1 << 20;

Result<void> add_named(const CustomResource& resource, const std::string& type, std::size_t position,
                       std::vector<NamedAmount>& named) {
  const std::string where = type + "::resources[" + std::to_string(position) + "]";
  if (resource.name.empty()) {
    if (resource.amount == 0) {
      return {};
    }
    return fail(ErrorCode::invalid_argument, where + " has an amount but no name; name the resource");
  }
  if (resource.name.size() > kLongestResourceName) {
    return fail(ErrorCode::invalid_argument, where + " has a name of " + std::to_string(resource.name.size()) +
                                                 " bytes; give at most " + std::to_string(kLongestResourceName));
  }
  const std::string name(resource.name);
  for (const auto& [reserved, field] :
       {std::pair{"CPU", "num_cpus"}, {"GPU", "num_gpus"}, {"memory", "memory_bytes"}}) {
    if (name == reserved) {
      return fail(ErrorCode::invalid_argument,
                  where + " is named \"" + name + "\"; set " + type + "::" + field + " instead");
    }
  }
  if (std::any_of(named.begin(), named.end(), [&](const NamedAmount& other) { return other.name == name; })) {
    return fail(ErrorCode::invalid_argument, where + " names \"" + name + "\" a second time; name each resource once");
  }
  const auto amount = Amount::from_double(resource.amount, where + " (\"" + name + "\")");
  if (!amount) {
    return tl::unexpected(amount.error());
  }
  if (!amount->zero()) {
    named.push_back({name, *amount});
  }
  return {};
}

constexpr std::size_t kLongestVariable = 4096;  // name or value

// What the options say of the environment, in canonical form.
template <std::size_t N>
Result<std::string> env_from(const std::array<EnvVariable, N>& variables, const std::string& type) {
  std::vector<EnvVariable> sorted;
  for (std::size_t i = 0; i < N; ++i) {
    const auto& [name, value] = variables[i];
    if (name.empty() && value.empty()) continue;
    const std::string where = type + "::env[" + std::to_string(i) + "]";
    const auto refuse = [&](const std::string& why) { return fail(ErrorCode::invalid_argument, where + why); };
    if (name.empty()) return refuse(" has a value but no name; name the variable");
    if (name.find_first_of(std::string_view("=\0", 2)) != std::string_view::npos) {
      return refuse(" is named \"" + std::string(name) + "\"; a name has no '=' and no NUL");
    }
    if (value.find('\0') != std::string_view::npos)
      return refuse(" (" + std::string(name) + ") has a NUL in its value");
    if (std::max(name.size(), value.size()) > kLongestVariable) {
      return refuse(" (" + std::string(name.substr(0, 64)) + ") is too long; give at most " +
                    std::to_string(kLongestVariable) + " bytes, or the name of a file");
    }
    if (name == "CUDA_VISIBLE_DEVICES" || name == "MANTA_ROLE") {
      return refuse(" is named " + std::string(name) + ", which the node sets itself; ask for GPUs by num_gpus");
    }
    sorted.push_back(variables[i]);
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  std::string env;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i > 0 && sorted[i].name == sorted[i - 1].name) {
      return fail(ErrorCode::invalid_argument,
                  type + "::env names " + std::string(sorted[i].name) + " twice; name each variable once");
    }
    env.append(sorted[i].name).append("=").append(sorted[i].value).push_back('\0');
  }
  return env;
}

// type: of the options, for messages.
template <class Options>
Result<ResourceSet> request_from(const Options& options, const std::string& type) {
  ResourceSet request;
  const auto cpus = Amount::from_double(options.num_cpus, type + "::num_cpus");
  if (!cpus) {
    return tl::unexpected(cpus.error());
  }
  const auto gpus = Amount::from_double(options.num_gpus, type + "::num_gpus");
  if (!gpus) {
    return tl::unexpected(gpus.error());
  }
  if (!whole_or_share(*gpus)) {
    return fail(ErrorCode::invalid_argument,
                type + "::num_gpus is " + gpus->to_string() + "; ask for a share below 1 or for whole GPUs above 1");
  }
  if (options.memory_bytes > std::uint64_t{1} << 62) {
    return fail(ErrorCode::invalid_argument,
                type + "::memory_bytes is " + std::to_string(options.memory_bytes) + "; give at most 2^62 bytes");
  }
  request.cpus = *cpus;
  request.gpus = *gpus;
  request.memory_bytes = options.memory_bytes;
  for (std::size_t i = 0; i < options.resources.size(); ++i) {
    if (auto added = add_named(options.resources[i], type, i, request.named); !added) {
      return tl::unexpected(added.error());
    }
  }
  std::sort(request.named.begin(), request.named.end());
  return request;
}

template <class Options>
Result<ResourceSet> task_request_from(const Options& options, const std::string& type) {
  auto made = request_from(options, type);
  if (!made) return made;
  ResourceSet& request = *made;
  auto env = env_from(options.env, type);
  if (!env) return tl::unexpected(env.error());
  request.env = std::move(*env);
  if (options.priority < -kMostPriority || options.priority > kMostPriority) {
    return fail(ErrorCode::invalid_argument, type + "::priority is " + std::to_string(options.priority) +
                                                 "; give one from -1000 to 1000, 0 for ordinary work");
  }
  request.priority = static_cast<std::int16_t>(options.priority);
  return made;
}

template <class Options>
Where where_from(const Options& options, const std::string& type) {
  if (options.bundle && (options.node || options.placement != Placement::pack)) {
    throw Error(ErrorCode::invalid_argument,
                type + "::bundle says already where it runs; leave " + type + "::node and ::placement unset");
  }
  return {options.placement, options.node, options.node_soft, options.bundle};
}

}  // namespace

Result<ResourceSet> request_of(const TaskOptions& options) { return task_request_from(options, "TaskOptions"); }

Result<ResourceSet> request_of_actor(const ActorOptions& options) {
  for (const auto& [count, field] : {std::pair{options.max_restarts, "ActorOptions::max_restarts"},
                                     {options.max_task_retries, "ActorOptions::max_task_retries"}}) {
    if (count < -1) refuse_count(count, field);
  }
  auto request = task_request_from(options, "ActorOptions");
  if (request) request->own_worker = true;
  return request;
}

Result<ResourceSet> request_of_bundle(const BundleOptions& options) { return request_from(options, "BundleOptions"); }

void refuse_count(int count, const std::string& field) {
  throw Error(ErrorCode::invalid_argument, field + " is " + std::to_string(count) + "; give 0 or more, or -1 for ever");
}

Result<std::vector<NamedAmount>> offer_of(const InitOptions& options) {
  std::vector<NamedAmount> named;
  for (std::size_t i = 0; i < options.resources.size(); ++i) {
    if (auto added = add_named(options.resources[i], "InitOptions", i, named); !added) {
      return tl::unexpected(added.error());
    }
  }
  std::sort(named.begin(), named.end());
  return named;
}

Where where_of(const TaskOptions& options) { return where_from(options, "TaskOptions"); }
Where where_of(const ActorOptions& options) { return where_from(options, "ActorOptions"); }

}  // namespace manta::sched
