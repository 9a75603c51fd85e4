#include <manta/tune/trial.h>

#include "tune/trial/session.h"

namespace manta::tune {

std::int64_t Trial::number() const { return session_.current().number; }
int Trial::attempt() const { return session_.current().attempt; }
void Trial::report(const Metrics& metrics) { session_.report(metrics); }
void Trial::constrain(const std::string& name, double value) { session_.constrain(name, value); }
std::filesystem::path Trial::folder() const { return session_.folder(); }

}  // namespace manta::tune
