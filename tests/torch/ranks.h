// Ranks of a process group, each in a process of its own.
#pragma once

#include <functional>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <manta/process_group.h>

#include "tests/core/collective/members.h"

namespace manta::collective {

using GroupPtr = c10::intrusive_ptr<c10d::ProcessGroup>;
using Tensors = std::vector<at::Tensor>;
using RankBody = std::function<void(c10d::ProcessGroup&)>;

// Runs body in processes forked from this one, which must not have used torch's threads.
inline void run_ranks(int size, const RankBody& body) {
  const std::string name = new_name();
  std::vector<std::unique_ptr<Process>> processes;
  for (int rank = 0; rank < size; ++rank) {
    processes.push_back(std::make_unique<Process>([&, rank] {
      run_guarded(rank, [&] {
        at::set_num_threads(1);
        const GroupPtr group = make_process_group({.name = name, .rank = rank, .size = size});
        body(*group);
        group->barrier()->wait();
      });
    }));
  }
  for (auto& process : processes) EXPECT_TRUE(process->succeeded());
}

}  // namespace manta::collective
