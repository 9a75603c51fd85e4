#pragma once

#include <manta/detail/entry.h>

namespace manta::serial {

/// What Writer and Reader ask of the runtime for references inside values. The client room implements it.
///
/// **Threading**: any thread calls any method.
class References {
 public:
  virtual ~References() = default;
  /// Called while a value that contains a reference is encoded; the writer then holds the entry (Writer::refs()).
  /// Throws Error if the entry belongs to a runtime that has ended.
  virtual manta::detail::WireRef export_ref(manta::detail::EntryHead* entry) = 0;
  /// Called while such a value is decoded. The caller owns one reference of the result. Throws Error without a runtime.
  virtual manta::detail::EntryHead* import_ref(const manta::detail::WireRef& ref) = 0;
  virtual void release(manta::detail::EntryHead* entry) noexcept = 0;
};

/// A static object of this type makes its References those of the process. **Ownership**: it owns nothing.
class UseReferences {
 public:
  explicit UseReferences(References& references) noexcept;
};

/// Those of the process. Every program that has a Ref links an object that sets them.
References& references() noexcept;

}  // namespace manta::serial
