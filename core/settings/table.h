// All settings that Manta reads from its environment and its command line, in one table. The readers of the settings
// (read.h), the flags (command_line.h), --manta-help (help.h) and the page core/SETTINGS.md are made from it.
//
// To add a setting: add a row, read it by its accessor, and run `settings_test --update`, which writes the page.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

namespace manta::settings {

// How a value is parsed, and which accessor of read.h returns it.
enum class Type : std::uint8_t {
  number,   // from `least` to `most`
  whole,    // the same, without a fraction
  choice,   // one of `choices`
  text,     // anything
  foreign,  // anything; an empty value differs from none
};

// What reads it. Rows of a group stand together.
enum class Group : std::uint8_t { core, torch, train, rl, internal, foreign };

struct Setting {
  std::string_view variable;     // of the environment; its characters end with a null
  std::string_view flag = {};    // --manta-FLAG, which comes before the variable; empty: none
  std::string_view option = {};  // the field of an options struct that comes before both; empty: none
  std::string_view value;        // what stands for a value in messages: "N"
  Group group = Group::core;
  Type type = Type::text;
  double least = 0;
  double most = std::numeric_limits<double>::max();
  std::array<std::string_view, 6> choices = {};
  std::string_view allowed = {};  // for "must be ..."; empty: anything
  std::string_view meaning;
  std::string_view unless_given;  // the default: in words, or the value; ends with a null
};

// The page and --manta-help have this order. A function, as code that a compiler evaluates while it instruments it for
// -fsanitize=undefined may look at an object of its own only.
constexpr auto make_table() {
  return std::array{
      Setting{.variable = "MANTA_NUM_CPUS",
              .flag = "num-cpus",
              .option = "InitOptions::num_cpus",
              .value = "N",
              .type = Type::number,
              .allowed = "a number of at least 0",
              .meaning = "CPUs that this node offers",
              .unless_given =
                  "those that the process may run on, at most the quota of its container (control groups of "
                  "version 1 and 2, with all ancestors), rounded up and at least 1"},
      Setting{.variable = "MANTA_NUM_GPUS",
              .flag = "num-gpus",
              .option = "InitOptions::num_gpus",
              .value = "N",
              .type = Type::number,
              .allowed = "a number of at least 0",
              .meaning = "GPUs that this node offers; a whole number",
              .unless_given = "those that the machine has and `CUDA_VISIBLE_DEVICES` allows"},
      Setting{.variable = "MANTA_LISTEN",
              .flag = "listen",
              .option = "InitOptions::listen",
              .value = "HOST:PORT",
              .meaning = "other nodes may join there; port 0: any that is free",
              .unless_given = "nowhere"},
      Setting{.variable = "MANTA_JOIN",
              .flag = "join",
              .value = "HOST:PORT",
              .meaning = "this program is a node of the cluster that listens there, and `init` does not return",
              .unless_given = "this program is a driver"},
      Setting{.variable = "MANTA_SECRET_FILE",
              .value = "FILE",
              .meaning = "the file with the cluster's secret",
              .unless_given = "none; a program that listens or joins needs one"},
      Setting{.variable = "MANTA_SPILL_DIR",
              .option = "InitOptions::spill_directory",
              .value = "FOLDER",
              .meaning = "folder for objects that a full store has no room for; `none`: a full store refuses objects",
              .unless_given = "`TMPDIR`, else `/var/tmp`, else `/tmp`"},
      Setting{.variable = "MANTA_MEMORY_THRESHOLD",
              .value = "SHARE",
              .type = Type::number,
              .most = 1,
              .allowed = "a number from 0 to 1",
              .meaning = "share of the memory above which the node ends workers; 0: never",
              .unless_given = "0.95"},
      Setting{.variable = "MANTA_MEMORY_LIMIT",
              .value = "BYTES",
              .type = Type::number,
              .most = 9e15,
              .allowed = "a number of bytes from 0 to 9e15",
              .meaning = "bytes that the workers and the store may use together; 0: the default",
              .unless_given = "the machine's memory, or the limit of the tightest control group (version 1 and 2)"},
      Setting{.variable = "MANTA_LOG",
              .value = "LEVEL",
              .type = Type::choice,
              .choices = {"trace", "debug", "info", "warn", "error", "off"},
              .allowed = "trace, debug, info, warn, error or off",
              .meaning = "least level of Manta's own messages on the standard error",
              .unless_given = "warn"},
      Setting{.variable = "MANTA_LOG_TO_DRIVER",
              .value = "0",
              .type = Type::choice,
              .choices = {"0", "1"},
              .allowed = "0 or 1",
              .meaning = "0: workers print where their node was started, not in the driver, whatever "
                         "`InitOptions::log_to_driver` says",
              .unless_given = "1"},
      Setting{.variable = "MANTA_FOLD_OUTPUT",
              .value = "0",
              .type = Type::choice,
              .choices = {"0", "1"},
              .allowed = "0 or 1",
              .meaning = "0: the driver shows a line that several workers print as often as they print it",
              .unless_given = "1"},
      Setting{.variable = "MANTA_TIMELINE",
              .value = "FILE",
              .meaning = "file for a trace of what ran where and when, for ui.perfetto.dev; each host writes one",
              .unless_given = "none"},
      Setting{.variable = "MANTA_SPIN_US",
              .option = "InitOptions::spin",
              .value = "MICROSECONDS",
              .type = Type::number,
              .most = 1'000'000,
              .allowed = "a number from 0 to 1000000",
              .meaning = "microseconds that a waiting thread polls before it sleeps (up to 6,000 while another program "
                         "keeps a CPU busy that a busy pair of processes could use); 0 saves power",
              .unless_given = "50"},
      Setting{.variable = "MANTA_ZYGOTE",
              .value = "MODE",
              .type = Type::choice,
              .choices = {"fork", "exec"},
              .allowed = "\"fork\" or \"exec\"",
              .meaning = "`fork`: workers are forked from the state at `init`; `exec`: the program is executed again",
              .unless_given = "`fork` where `init` finds one thread, else `exec`"},
      Setting{.variable = "MANTA_LOCAL",
              .value = "1",
              .type = Type::choice,
              .choices = {"0", "1"},
              .allowed = "0 or 1",
              .meaning = "1: the program runs its tasks and actors itself, in the thread that submits them, so that a "
                         "debugger's breakpoint in a task is hit",
              .unless_given = "0"},

      Setting{.variable = "MANTA_NCCL_LIBRARY",
              .value = "FILE",
              .group = Group::torch,
              .meaning = "the NCCL library to load",
              .unless_given = "the one that the loader finds, else the one that Manta was built with"},

      Setting{.variable = "MANTA_DDP_CHECK_EVERY",
              .option = "DdpOptions::check_every",
              .value = "STEPS",
              .group = Group::train,
              .type = Type::whole,
              .most = 9e15,
              .allowed = "a whole number of at least 0",
              .meaning = "steps of data-parallel training after which all ranks compare their networks; 0: never",
              .unless_given = "0"},

      Setting{.variable = "MANTA_MUJOCO_LIBRARY",
              .value = "FILE",
              .group = Group::rl,
              .meaning = "the MuJoCo library to load",
              .unless_given = "the one that Manta was built with, else the one that the loader finds"},

      Setting{.variable = "MANTA_ROLE",
              .value = "ROLE:DESCRIPTOR",
              .group = Group::internal,
              .meaning =
                  "what a program that Manta executes again is: a node process or a worker, and the number of its "
                  "control socket",
              .unless_given = "the program is what the user started"},

      Setting{.variable = "CUDA_VISIBLE_DEVICES",
              .value = "LIST",
              .group = Group::foreign,
              .type = Type::foreign,
              .meaning = "the GPUs that the node may offer; a node sets it for each worker to the GPUs of the worker's "
                         "task or actor",
              .unless_given = "all GPUs of the machine"},
      Setting{.variable = "TMPDIR",
              .value = "FOLDER",
              .group = Group::foreign,
              .type = Type::foreign,
              .meaning = "the folder for spilled objects where `MANTA_SPILL_DIR` names none",
              .unless_given = "`/var/tmp`, else `/tmp`"},
      Setting{.variable = "NO_COLOR",
              .value = "1",
              .group = Group::foreign,
              .type = Type::foreign,
              .meaning = "any text: the driver shows what workers print without colours",
              .unless_given = "colours on a terminal"},
  };
}
inline constexpr auto kTable = make_table();

// Its place in the table. A variable that the table lacks, or has with another type, does not compile.
consteval std::size_t place_of(std::string_view variable, Type type) {
  const auto table = make_table();
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].variable == variable && table[i].type == type) return i;
  }
  throw "the table has no such setting of this type";
}

// Null: the table has no such variable.
constexpr const Setting* find(std::string_view variable) {
  const auto* found =
      std::find_if(kTable.begin(), kTable.end(), [&](const Setting& setting) { return setting.variable == variable; });
  return found == kTable.end() ? nullptr : found;
}

}  // namespace manta::settings
