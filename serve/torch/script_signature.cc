#include "serve/torch/script_signature.h"

#include <algorithm>
#include <optional>

#include <manta/error.h>
#include <manta/serve/http.h>

namespace manta::serve {

namespace {

using c10::TypeKind;

// Whether inputs can give a value of the type.
bool given_by_inputs(const c10::Type& type) {
  switch (type.kind()) {
    case TypeKind::TensorType:
    case TypeKind::IntType:
    case TypeKind::FloatType:
    case TypeKind::BoolType:
    case TypeKind::NumberType:
      return true;
    case TypeKind::OptionalType:
      return given_by_inputs(*type.expectRef<c10::OptionalType>().getElementType());
    case TypeKind::ListType:
      return given_by_inputs(*type.expectRef<c10::ListType>().getElementType());
    case TypeKind::TupleType: {
      const auto elements = type.expectRef<c10::TupleType>().elements();
      return std::all_of(elements.begin(), elements.end(), [](const auto& each) { return given_by_inputs(*each); });
    }
    case TypeKind::DictType: {
      const auto& dict = type.expectRef<c10::DictType>();
      return dict.getKeyType()->kind() == TypeKind::StringType && dict.getValueType()->kind() == TypeKind::TensorType;
    }
    default:
      return false;
  }
}

// Whether several inputs can form one value of the type: SIGNATURE-1.
bool made_of_parts(const c10::Type& type) {
  if (type.kind() == TypeKind::OptionalType)
    return made_of_parts(*type.expectRef<c10::OptionalType>().getElementType());
  return given_by_inputs(type) &&
         (type.kind() == TypeKind::ListType || type.kind() == TypeKind::TupleType || type.kind() == TypeKind::DictType);
}

// Takes the parameters' values out of one request.
class Arguments {
 public:
  Arguments(const NamedTensors& given, const at::Device& device) : device_(device) {
    for (const auto& [name, tensor] : given) given_.emplace(name, &tensor);
  }

  // Empty: the request has no input for it.
  std::optional<c10::IValue> value(const std::string& name, const c10::Type& type) {
    switch (type.kind()) {
      case TypeKind::OptionalType:
        return value(name, *type.expectRef<c10::OptionalType>().getElementType());
      case TypeKind::ListType:
        return list(name, type.expectRef<c10::ListType>().getElementType());
      case TypeKind::TupleType:
        return tuple(name, type.expectRef<c10::TupleType>());
      case TypeKind::DictType:
        return dictionary(name);
      default:
        break;
    }
    const at::Tensor* tensor = take(name);
    if (tensor == nullptr) return std::nullopt;
    if (type.kind() == TypeKind::TensorType) return tensor->to(device_);
    return scalar(name, type, *tensor);
  }

  // Throws HttpError(400) if the request has inputs that no parameter has taken.
  void check_all_taken(const std::string& parameters) const {
    for (const auto& [name, tensor] : given_) {
      if (!taken_.contains(name))
        throw HttpError(400, "the model has no input '" + name + "'; it takes: " + parameters);
    }
  }

  std::string names() const {
    std::string all;
    for (const auto& [name, tensor] : given_) all += (all.empty() ? "" : ", ") + name;
    return all.empty() ? "none" : all;
  }

 private:
  const at::Tensor* take(const std::string& name) {
    const auto it = given_.find(name);
    if (it == given_.end()) return nullptr;
    taken_.insert(name);
    return it->second;
  }

  static c10::IValue scalar(const std::string& name, const c10::Type& type, const at::Tensor& tensor) {
    const auto refuse = [&](const std::string& why) -> void { throw HttpError(400, "input '" + name + "' " + why); };
    if (tensor.numel() != 1)
      refuse("has " + std::to_string(tensor.numel()) + " elements, the model takes one " + type.repr_str());
    const bool whole = at::isIntegralType(tensor.scalar_type(), false);
    switch (type.kind()) {
      case TypeKind::BoolType:
        if (tensor.scalar_type() != at::kBool) refuse("is no BOOL, which the model takes");
        return tensor.item<bool>();
      case TypeKind::IntType:
        if (!whole) refuse("is of no integer type, which the model takes");
        return tensor.item<std::int64_t>();
      case TypeKind::FloatType:
        return tensor.item<double>();
      default:
        return whole ? c10::IValue(tensor.item<std::int64_t>()) : c10::IValue(tensor.item<double>());
    }
  }

  std::optional<c10::IValue> list(const std::string& name, const c10::TypePtr& element) {
    c10::impl::GenericList values(element);
    const bool of_tensors = element->kind() == TypeKind::TensorType;
    if (const at::Tensor* whole = take(name)) {  // a tensor counts as a list of one tensor, or of its numbers
      if (of_tensors) {
        values.push_back(whole->to(device_));
      } else {
        const at::Tensor flat = whole->reshape({-1});
        for (std::int64_t i = 0; i < flat.numel(); ++i) values.push_back(scalar(name, *element, flat[i]));
      }
      return values;
    }
    while (auto next = value(name + "__" + std::to_string(values.size()), *element)) values.push_back(std::move(*next));
    if (values.empty()) return std::nullopt;
    return values;
  }

  std::optional<c10::IValue> tuple(const std::string& name, const c10::TupleType& type) {
    std::vector<c10::IValue> values;
    for (const auto& element : type.elements()) {
      const std::string part = name + "__" + std::to_string(values.size());
      auto next = value(part, *element);
      if (!next && values.empty()) return std::nullopt;
      if (!next) throw HttpError(400, "there is no input '" + part + "', although there are others of '" + name + "'");
      values.push_back(std::move(*next));
    }
    return c10::ivalue::Tuple::create(std::move(values));
  }

  std::optional<c10::IValue> dictionary(const std::string& name) {
    c10::impl::GenericDict values(c10::StringType::get(), c10::TensorType::get());
    const std::string prefix = name + "__";
    for (const auto& [given, tensor] : given_) {
      if (!given.starts_with(prefix)) continue;
      taken_.insert(given);
      values.insert(given.substr(prefix.size()), tensor->to(device_));
    }
    if (values.empty()) return std::nullopt;
    return values;
  }

  const at::Device& device_;
  std::map<std::string, const at::Tensor*> given_;
  std::set<std::string> taken_;
};

void flatten(const c10::IValue& value, const std::string& name, NamedTensors& tensors) {
  const auto part = [&](const std::string& key) { return name.empty() ? key : name + "__" + key; };
  const auto numbered = [&](std::size_t i) { return (name.empty() ? "output" : name) + "__" + std::to_string(i); };
  if (value.isNone()) return;
  if (value.isTensor()) {
    tensors.emplace_back(name.empty() ? "output__0" : name, value.toTensor());
  } else if (value.isScalar()) {
    tensors.emplace_back(name.empty() ? "output__0" : name,
                         at::scalar_tensor(value.toScalar(), value.isDouble() ? at::kDouble
                                                             : value.isBool() ? at::kBool
                                                                              : at::kLong));
  } else if (value.isTuple()) {
    const auto& elements = value.toTupleRef().elements();
    const auto type = value.type()->cast<c10::TupleType>();
    const auto names = type && type->schema() ? type->names() : std::nullopt;
    for (std::size_t i = 0; i < elements.size(); ++i)
      flatten(elements[i], names ? part(std::string((*names)[i])) : numbered(i), tensors);
  } else if (value.isList()) {
    std::size_t i = 0;
    for (const c10::IValue& element : value.toListRef()) flatten(element, numbered(i++), tensors);
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) {
      const c10::IValue& key = entry.key();
      flatten(entry.value(), part(key.isString() ? key.toStringRef() : c10::str(key)), tensors);
    }
  } else {
    throw HttpError(500, "the model returns a " + value.tagKind() + (name.empty() ? "" : " as '" + name + "'") +
                             ", which is no tensor");
  }
}

}  // namespace

ScriptSignature::ScriptSignature(const c10::FunctionSchema& schema)
    : parameters_(schema.arguments().begin() + 1, schema.arguments().end()) {
  for (const c10::Argument& each : parameters_) {
    if (given_by_inputs(*each.type()) || each.default_value() || each.type()->kind() == TypeKind::OptionalType)
      continue;
    throw Error(ErrorCode::invalid_argument,
                "forward's parameter '" + each.name() + "' is a " + each.type()->repr_str() +
                    ", which no request can give. Next: give it a default, or serve a module that "
                    "takes tensors, numbers, or lists, tuples and dictionaries of tensors");
  }
}

std::vector<TensorInfo> ScriptSignature::inputs() const {
  std::vector<TensorInfo> infos;
  for (const c10::Argument& each : parameters_) {
    const bool optional = each.default_value().has_value() || each.type()->kind() == TypeKind::OptionalType;
    TensorInfo info{.name = each.name(), .optional = optional};
    if (each.type()->kind() == TypeKind::BoolType) info.type = DataType::BOOL;
    info.in_parts = made_of_parts(*each.type());
    infos.push_back(std::move(info));
  }
  return infos;
}

std::vector<c10::IValue> ScriptSignature::arguments(const NamedTensors& given, const at::Device& device) const {
  Arguments arguments(given, device);
  std::vector<c10::IValue> values;
  std::string names;
  for (const c10::Argument& each : parameters_) {
    names += (names.empty() ? "" : ", ") + each.name();
    std::optional<c10::IValue> value;
    if (given_by_inputs(*each.type())) value = arguments.value(each.name(), *each.type());
    if (!value && each.default_value()) value = *each.default_value();
    if (!value && each.type()->kind() == TypeKind::OptionalType) value = c10::IValue();
    if (!value) throw HttpError(400, "there is no input '" + each.name() + "'; the request has: " + arguments.names());
    values.push_back(std::move(*value));
  }
  arguments.check_all_taken(names.empty() ? "nothing" : names);
  return values;
}

NamedTensors ScriptSignature::results(const c10::IValue& value) {
  NamedTensors tensors;
  flatten(value, "", tensors);
  return tensors;
}

}  // namespace manta::serve
