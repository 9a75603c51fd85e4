// Relational operations on one block after another, in the process that has the block.
#pragma once

#include <string>

#include <manta/data/detail/step.h>

namespace manta::data::operators {

// Runs `sql` on each block, which the SQL names `table`; the result has the columns `to`. Only for what may be applied
// to a part of the rows.
detail::Step sql_step(std::string sql, std::string table, const Schema& to);

}  // namespace manta::data::operators
