// Kernels that call the user's functions: for rows, for batches, with objects of their own. Not for users.
#pragma once

#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <manta/data/detail/step.h>
#include <manta/data/row.h>
#include <manta/detail/closure.h>
#include <manta/detail/label.h>
#include <manta/detail/signature.h>

namespace manta::data::detail {

template <class F>
using SignatureOf = manta::detail::SignatureOf<F>;

template <class Ps>
struct OnlyParameter {
  static constexpr bool valid = false;
};
template <class P>
struct OnlyParameter<manta::detail::Types<P>> {
  static constexpr bool valid = true;
  using type = std::remove_cvref_t<P>;
};
/// The one parameter's type of a function or function object F.
template <class F>
using ParameterOf = typename OnlyParameter<typename SignatureOf<F>::Parameters>::type;
template <class F>
using ResultOf = std::remove_cvref_t<typename SignatureOf<F>::Result>;
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

/// Calls once for each row; what it throws goes to bad, or ends the block as RowFailure.
template <class Call>
void for_each_row(const Block& input, BadRows* bad, const Call& call) {
  for (std::int64_t row = 0; row < input.rows(); ++row) {
    try {
      call(row);
    } catch (const RowFailure& failure) {
      if (bad == nullptr) throw;
      bad->add(input, row, failure.what());
    } catch (...) {
      if (bad == nullptr) throw RowFailure(row, current_message());
      bad->add(input, row, current_message());
    }
  }
}

/// How a kernel calls what it was made of: a function F of the program, a function object that travelled, or an object
/// of a class C that is made in the worker from arguments.
template <auto F, class File>
struct NamedFunction {
  using State = std::tuple<>;
  using Parameter = ParameterOf<decltype(F)>;
  using Result = ResultOf<decltype(F)>;
  explicit NamedFunction(State) {}
  template <class A>
  Result operator()(A&& argument) const {
    return F(std::forward<A>(argument));
  }
  static std::string_view name() { return manta::detail::function_label<F, File>(); }
};
template <class F, class File>
struct TravellingFunction {
  using State = manta::detail::Closure<F>;
  using Parameter = ParameterOf<F>;
  using Result = ResultOf<F>;
  explicit TravellingFunction(State state) : closure(std::move(state)) {}
  template <class A>
  Result operator()(A&& argument) {
    return (*closure.function)(std::forward<A>(argument));
  }
  static std::string_view name() { return manta::detail::class_label<F>(); }
  State closure;
};
template <class C, class... Args>
struct MadeObject {
  using State = std::tuple<Args...>;
  using Parameter = ParameterOf<C>;
  using Result = ResultOf<C>;
  explicit MadeObject(State state) : object(std::make_from_tuple<C>(std::move(state))) {}
  template <class A>
  Result operator()(A&& argument) {
    return object(std::forward<A>(argument));
  }
  static std::string_view name() { return manta::detail::class_label<C>(); }
  C object;
};

/// Keeps the rows for which the callee says true.
template <class Callee>
class FilterKernel final : public Kernel {
 public:
  using State = typename Callee::State;
  using In = typename Callee::Parameter;
  explicit FilterKernel(State state) : callee_(std::move(state)) {}
  Block run(const Block& input, BadRows* bad) override {
    const RowReader<In> reader(input);
    std::vector<std::int64_t> kept;
    for_each_row(input, bad, [&](std::int64_t row) {
      if (callee_(reader.get(row))) kept.push_back(row);
    });
    return static_cast<std::int64_t>(kept.size()) == input.rows() ? input : input.take(kept);
  }
  static std::string_view name() { return Callee::name(); }

 private:
  Callee callee_;
};

/// One row out of each row.
template <class Callee>
class MapKernel final : public Kernel {
 public:
  using State = typename Callee::State;
  using In = typename Callee::Parameter;
  using Out = typename Callee::Result;
  explicit MapKernel(State state) : callee_(std::move(state)) {}
  Block run(const Block& input, BadRows* bad) override {
    const RowReader<In> reader(input);
    RowWriter<Out> writer;
    writer.reserve(input.rows());
    for_each_row(input, bad, [&](std::int64_t row) { writer.put(callee_(reader.get(row))); });
    return writer.finish();
  }
  static std::string_view name() { return Callee::name(); }

 private:
  Callee callee_;
};

/// Any number of rows out of each row.
template <class Callee>
class FlatMapKernel final : public Kernel {
 public:
  using State = typename Callee::State;
  using In = typename Callee::Parameter;
  using Out = typename Callee::Result::value_type;
  explicit FlatMapKernel(State state) : callee_(std::move(state)) {}
  Block run(const Block& input, BadRows* bad) override {
    const RowReader<In> reader(input);
    RowWriter<Out> writer;
    for_each_row(input, bad, [&](std::int64_t row) {
      for (const Out& out : callee_(reader.get(row))) writer.put(out);
    });
    return writer.finish();
  }
  static std::string_view name() { return Callee::name(); }

 private:
  Callee callee_;
};

/// How a batch is given to a function, and what it returns becomes a block. <manta/data/torch.h> adds tensors.
template <class T>
struct BatchCodec;
template <>
struct BatchCodec<Block> {
  static const Block& from(const Block& block) { return block; }
  static Block to(Block block) { return block; }
};
template <Row R>
struct BatchCodec<std::vector<R>> {
  static std::vector<R> from(const Block& block) { return rows_of<R>(block); }
  static Block to(const std::vector<R>& rows) { return block_of(rows); }
};
template <class R>
struct BatchCodec<std::span<const R>> {
  static std::vector<R> from(const Block& block) { return rows_of<R>(block); }
};

/// A block out of each block.
template <class Callee>
class BatchKernel final : public Kernel {
 public:
  using State = typename Callee::State;
  explicit BatchKernel(State state) : callee_(std::move(state)) {}
  Block run(const Block& input, BadRows*) override {
    return BatchCodec<typename Callee::Result>::to(callee_(BatchCodec<typename Callee::Parameter>::from(input)));
  }
  static std::string_view name() { return Callee::name(); }

 private:
  Callee callee_;
};

/// A column that a function computes from others, row by row.
template <auto F, class File, class Parameters = typename SignatureOf<decltype(F)>::Parameters>
class ColumnKernel;
template <auto F, class File, class... Ps>
class ColumnKernel<F, File, manta::detail::Types<Ps...>> final : public Kernel {
 public:
  using State = std::vector<std::string>;  // the column's name, then the arguments'
  using Out = ResultOf<decltype(F)>;
  static constexpr std::size_t kParameters = sizeof...(Ps);
  static std::vector<Type> types() { return {FieldCodec<std::remove_cvref_t<Ps>>::type()...}; }
  explicit ColumnKernel(State names) : names_(std::move(names)) {}
  Block run(const Block& input, BadRows*) override { return run(input, std::index_sequence_for<Ps...>()); }
  static std::string_view name() { return manta::detail::function_label<F, File>(); }

 private:
  template <std::size_t... I>
  Block run(const Block& input, std::index_sequence<I...>) const {
    const std::tuple<FieldCodec<std::remove_cvref_t<Ps>>...> arguments(
        FieldCodec<std::remove_cvref_t<Ps>>(input[names_[I + 1]], names_[I + 1])...);
    ColumnBuilder builder(FieldCodec<Out>::type());
    builder.reserve(input.rows());
    if constexpr ((std::is_arithmetic_v<std::remove_cvref_t<Ps>> && ...) && std::is_arithmetic_v<Out>) {
      if (((std::get<I>(arguments).nulls == nullptr) && ...)) {  // a loop that compilers make vector code of
        std::int64_t row = 0;
        try {
          auto* to = reinterpret_cast<Out*>(builder.extend(input.rows()));
          for (; row < input.rows(); ++row) to[row] = F(std::get<I>(arguments).values[row]...);
        } catch (...) {
          throw RowFailure(row, current_message());
        }
        return input.with(names_[0], builder.finish());
      }
    }
    for_each_row(input, nullptr,
                 [&](std::int64_t row) { FieldCodec<Out>::put(builder, F(std::get<I>(arguments).get(row)...)); });
    return input.with(names_[0], builder.finish());
  }

  State names_;
};

/// The blocks of a user's Source: the input is one row with the block's number.
template <class S>
class SourceKernel final : public Kernel {
 public:
  using State = S;
  explicit SourceKernel(State source) : source_(std::move(source)) {}
  Block run(const Block& input, BadRows*) override {
    return source_.block(static_cast<std::uint64_t>(input.column(0).values<std::int64_t>()[0]));
  }
  static std::string_view name() { return manta::detail::class_label<S>(); }

 private:
  S source_;
};

}  // namespace manta::data::detail
