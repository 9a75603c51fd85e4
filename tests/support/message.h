// What a call's Error says.
#pragma once

#include <string>

#include <manta/error.h>

// Empty where nothing is thrown.
template <class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const manta::Error& error) {
    return error.message();
  }
  return {};
}
