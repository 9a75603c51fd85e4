#include <cmath>
#include <cstdio>

#include <manta/data/expression.h>
#include <manta/error.h>

#include "data/engine/engine.h"

namespace manta::data {

namespace detail {

std::string literal(bool value) { return value ? "TRUE" : "FALSE"; }

std::string literal(std::int64_t value) {
  const std::string digits = std::to_string(value);
  return value < 0 ? "(" + digits + ")" : digits;
}

std::string literal(std::uint64_t value) { return std::to_string(value); }

std::string literal(double value) {
  if (std::isnan(value)) return "CAST('nan' AS DOUBLE)";
  if (std::isinf(value)) return value < 0 ? "CAST('-inf' AS DOUBLE)" : "CAST('inf' AS DOUBLE)";
  char digits[40];
  std::snprintf(digits, sizeof digits, "%.17g", value);
  std::string text = digits;
  if (text.find('e') == std::string::npos) text += "e0";  // without an exponent it would be a decimal
  return value < 0 || std::signbit(value) ? "(" + text + ")" : text;
}

std::string literal(std::string_view value) {
  if (value.find('\0') != std::string_view::npos) {
    throw Error(ErrorCode::invalid_argument, "data: a text in an expression has a zero byte, which SQL cannot write");
  }
  return engine::sql_text(value);
}

}  // namespace detail

namespace {

void add_columns(std::vector<std::string>& to, const std::vector<std::string>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

Aggregate aggregate(const std::string& function, const Aggregated& values, const std::string& more = {}) {
  const Expression& value = values.value();
  return {Expression::from_sql(function + "(" + value.sql() + more + ")", value.columns()),
          function + "(" + values.name() + ")"};
}

}  // namespace

Expression Expression::from_sql(std::string sql, std::vector<std::string> columns) {
  Expression expression;
  expression.sql_ = std::move(sql);
  expression.columns_ = std::move(columns);
  return expression;
}

Expression Expression::wrapped(std::string_view before, std::string_view after) const {
  return from_sql(std::string(before) + sql_ + std::string(after), columns_);
}

Expression Expression::joined(std::string_view by, const Expression& other) const {
  Expression result = from_sql("(" + sql_ + std::string(by) + other.sql_ + ")", columns_);
  add_columns(result.columns_, other.columns_);
  return result;
}

Expression Expression::call_with(std::string_view function, const std::vector<Expression>& others) const {
  Expression result = from_sql(std::string(function) + "(" + sql_, columns_);
  for (const Expression& other : others) {
    result.sql_ += ", " + other.sql_;
    add_columns(result.columns_, other.columns_);
  }
  result.sql_ += ")";
  return result;
}

Expression Expression::is_in(const std::vector<Expression>& values) const {
  if (values.empty()) return false;
  Expression result = from_sql("(" + sql_ + " IN (", columns_);
  for (const Expression& value : values) {
    if (&value != &values.front()) result.sql_ += ", ";
    result.sql_ += value.sql_;
    add_columns(result.columns_, value.columns_);
  }
  result.sql_ += "))";
  return result;
}

Expression col(std::string_view name) { return Expression::from_sql(quoted_name(name), {std::string(name)}); }

Expression when(const Expression& condition, const Expression& then, const Expression& otherwise) {
  std::vector<std::string> columns = condition.columns();
  add_columns(columns, then.columns());
  add_columns(columns, otherwise.columns());
  return Expression::from_sql(
      "(CASE WHEN " + condition.sql() + " THEN " + then.sql() + " ELSE " + otherwise.sql() + " END)",
      std::move(columns));
}

Aggregate count() { return {Expression::from_sql("count(*)"), "count"}; }
Aggregate count(const Aggregated& values) { return aggregate("count", values); }
Aggregate count_distinct(const Aggregated& values) {
  return {Expression::from_sql("count(DISTINCT " + values.value().sql() + ")", values.value().columns()),
          "count_distinct(" + values.name() + ")"};
}
Aggregate sum(const Aggregated& values) { return aggregate("sum", values); }
Aggregate mean(const Aggregated& values) { return aggregate("mean", values); }
Aggregate min(const Aggregated& values) { return aggregate("min", values); }
Aggregate max(const Aggregated& values) { return aggregate("max", values); }
Aggregate stddev(const Aggregated& values) {
  // The engine refuses what is not finite; here the result is then NaN, as that of sum and mean.
  const std::string finite = "isfinite(CAST(" + values.value().sql() + " AS DOUBLE))";
  const std::string of_finite = "stddev(" + values.value().sql() + ") FILTER (WHERE " + finite + ")";
  return {Expression::from_sql("CASE WHEN count(*) FILTER (WHERE NOT " + finite +
                                   ") > 0 THEN CAST('nan' AS DOUBLE) ELSE " + of_finite + " END",
                               values.value().columns()),
          "stddev(" + values.name() + ")"};
}
Aggregate median(const Aggregated& values) { return aggregate("median", values); }
Aggregate first(const Aggregated& values) { return aggregate("first", values); }
Aggregate last(const Aggregated& values) { return aggregate("last", values); }
Aggregate quantile(const Aggregated& values, double q) {
  if (!(q >= 0 && q <= 1)) {
    throw Error(ErrorCode::invalid_argument, "data: quantile: q must be from 0 to 1, not " + std::to_string(q));
  }
  char digits[40];
  std::snprintf(digits, sizeof digits, "%g", q);
  const Aggregate result = aggregate("quantile_cont", values, ", " + detail::literal(q));
  return result.as("quantile(" + values.name() + ", " + digits + ")");
}

}  // namespace manta::data
