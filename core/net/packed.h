// One value as bytes that say whether they are framed: what a process gives another one before there are messages.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <manta/error.h>
#include <manta/serial/reader.h>
#include <manta/serial/writer.h>

namespace manta::net {

// `room` bytes are left free in front.
inline std::vector<std::byte> bytes_of(const serial::Writer& writer, std::size_t room = 0) {
  std::vector<std::byte> bytes(room + 1 + writer.encoded_size());
  bytes[room] = static_cast<std::byte>(writer.framed());
  writer.encode_into(bytes.data() + room + 1);
  return bytes;
}

template <class T>
std::vector<std::byte> pack(const T& value) {
  serial::Writer writer;
  writer(value);
  return bytes_of(writer);
}

// Throws Error(invalid_argument) where the bytes are no T.
template <class T>
T unpack(std::span<const std::byte> bytes) {
  if (bytes.empty()) throw Error(ErrorCode::invalid_argument, "no bytes");
  serial::Reader reader(bytes.subspan(1), bytes[0] != std::byte{0}, nullptr);
  T value;
  reader(value);
  return value;
}

}  // namespace manta::net
