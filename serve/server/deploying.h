// Starting, replacing and ending the replicas of a deployment: in the caller's thread, in step with the loop.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "serve/server/engine.h"

namespace manta::serve {

// Throws Error(invalid_argument).
void check(const DeploymentOptions& options);
// Puts it at its name: new there, or in place of what is, one replica after the other. Throws Error.
void deploy(Engine& engine, detail::Deployable deployable);
// False: there is nothing of that name.
bool undeploy(Engine& engine, const std::string& name);
// Ends all replicas when they have answered the calls through handles, or at the deadline. Call it after the loop.
// Blocks. Throws Error where the runtime has ended.
void end_all(Engine& engine, std::chrono::steady_clock::time_point deadline);

}  // namespace manta::serve
