/// Expressions over columns, which the engine evaluates: filters, new columns, aggregates.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <manta/data/type.h>

namespace manta::data {

namespace detail {
std::string literal(bool value);
std::string literal(std::int64_t value);
std::string literal(std::uint64_t value);
std::string literal(double value);
std::string literal(std::string_view value);
}  // namespace detail

/// An expression: col("delay") > 15 && col("origin") != "JFK". Numbers, bool and text stand for themselves.
///
/// Comparisons with a null are null, and filter() drops such rows; a comparison of NaN follows SQL's total order: NaN
/// equals itself and is more than every number. Integer division (/) gives a float64.
///
/// **Threading, ownership**: a plain value. **Errors**: unknown columns and types that do not fit are reported by the
/// operation that takes the expression.
class Expression {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> Expression(T value) : sql_(of_number(value)) {}        // NOLINT: col("x") + 1
  Expression(const char* text) : sql_(detail::literal(std::string_view(text))) {}         // NOLINT: col("x") == "a"
  Expression(const std::string& text) : sql_(detail::literal(std::string_view(text))) {}  // NOLINT

  /// From SQL; columns: those that it names, which are checked before the engine sees it.
  static Expression from_sql(std::string sql, std::vector<std::string> columns = {});

  Expression is_null() const { return suffixed(" IS NULL"); }
  Expression is_not_null() const { return suffixed(" IS NOT NULL"); }
  Expression is_nan() const { return call("isnan"); }
  /// SQL's pattern: % stands for any text, _ for any character.
  Expression like(std::string_view pattern) const { return suffixed(" LIKE " + detail::literal(pattern)); }
  Expression contains(std::string_view text) const { return call("contains", Expression(std::string(text))); }
  Expression is_in(const std::vector<Expression>& values) const;
  /// A value that does not fit the type ends the plan with an error.
  Expression cast(const Type& type) const { return wrapped("CAST(", " AS " + to_string(type) + ")"); }
  /// This where it is not null, else the other.
  Expression or_else(const Expression& other) const { return call("coalesce", other); }

  Expression abs() const { return call("abs"); }
  Expression sqrt() const { return call("sqrt"); }
  Expression exp() const { return call("exp"); }
  Expression log() const { return call("ln"); }
  Expression floor() const { return call("floor"); }
  Expression ceil() const { return call("ceil"); }
  Expression round(int digits = 0) const { return call("round", Expression(digits)); }
  Expression lower() const { return call("lower"); }
  Expression upper() const { return call("upper"); }
  Expression length() const { return call("length"); }

  /// function(this, others...): any scalar function of the engine.
  template <std::convertible_to<Expression>... More>
  Expression call(std::string_view function, const More&... others) const {
    return call_with(function, {Expression(others)...});
  }

  const std::string& sql() const { return sql_; }
  const std::vector<std::string>& columns() const { return columns_; }

  friend Expression operator+(const Expression& a, const Expression& b) { return a.joined(" + ", b); }
  friend Expression operator-(const Expression& a, const Expression& b) { return a.joined(" - ", b); }
  friend Expression operator*(const Expression& a, const Expression& b) { return a.joined(" * ", b); }
  friend Expression operator/(const Expression& a, const Expression& b) { return a.joined(" / ", b); }
  friend Expression operator%(const Expression& a, const Expression& b) { return a.joined(" % ", b); }
  friend Expression operator<(const Expression& a, const Expression& b) { return a.joined(" < ", b); }
  friend Expression operator<=(const Expression& a, const Expression& b) { return a.joined(" <= ", b); }
  friend Expression operator>(const Expression& a, const Expression& b) { return a.joined(" > ", b); }
  friend Expression operator>=(const Expression& a, const Expression& b) { return a.joined(" >= ", b); }
  friend Expression operator==(const Expression& a, const Expression& b) { return a.joined(" = ", b); }
  friend Expression operator!=(const Expression& a, const Expression& b) { return a.joined(" <> ", b); }
  friend Expression operator&&(const Expression& a, const Expression& b) { return a.joined(" AND ", b); }
  friend Expression operator||(const Expression& a, const Expression& b) { return a.joined(" OR ", b); }
  friend Expression operator!(const Expression& a) { return a.wrapped("(NOT ", ")"); }
  friend Expression operator-(const Expression& a) { return a.wrapped("(- ", ")"); }

 private:
  Expression() = default;
  template <class T>
  static std::string of_number(T value) {
    if constexpr (std::is_same_v<T, bool>) {
      return detail::literal(value);
    } else if constexpr (std::is_floating_point_v<T>) {
      return detail::literal(static_cast<double>(value));
    } else if constexpr (std::is_signed_v<T>) {
      return detail::literal(static_cast<std::int64_t>(value));
    } else {
      return detail::literal(static_cast<std::uint64_t>(value));
    }
  }
  Expression wrapped(std::string_view before, std::string_view after) const;
  Expression suffixed(std::string_view after) const { return wrapped("(", std::string(after) + ")"); }
  Expression joined(std::string_view by, const Expression& other) const;
  Expression call_with(std::string_view function, const std::vector<Expression>& others) const;

  std::string sql_;
  std::vector<std::string> columns_;
};

/// The column of that name.
Expression col(std::string_view name);
/// Where condition holds, `then`, else `otherwise`.
Expression when(const Expression& condition, const Expression& then, const Expression& otherwise);

/// One result of an aggregation: mean("delay"), sum(col("a") * 2).as("twice"). Nulls are left out; of no rows the
/// result is null (count: 0).
struct Aggregate {
  Expression value;
  std::string name;  ///< of the column: "mean(delay)"
  Aggregate as(std::string column) const { return {value, std::move(column)}; }
};

/// What an aggregate takes: a column's name, or an expression.
class Aggregated {
 public:
  Aggregated(const char* column) : value_(col(column)), name_(column) {}         // NOLINT: mean("delay")
  Aggregated(const std::string& column) : value_(col(column)), name_(column) {}  // NOLINT
  Aggregated(const Expression& value) : value_(value), name_(value.sql()) {}     // NOLINT: mean(col("a") * 2)
  const Expression& value() const { return value_; }
  const std::string& name() const { return name_; }

 private:
  Expression value_;
  std::string name_;
};

Aggregate count();  ///< of rows
Aggregate count(const Aggregated& values);
Aggregate count_distinct(const Aggregated& values);
Aggregate sum(const Aggregated& values);
Aggregate mean(const Aggregated& values);
Aggregate min(const Aggregated& values);
Aggregate max(const Aggregated& values);
Aggregate stddev(const Aggregated& values);  ///< of a sample (n - 1); of one value: null
Aggregate median(const Aggregated& values);
/// With linear interpolation, as NumPy's default; q in [0, 1].
Aggregate quantile(const Aggregated& values, double q);
Aggregate first(const Aggregated& values);  ///< in the order of the rows, nulls included
Aggregate last(const Aggregated& values);

}  // namespace manta::data
