// Blocks as Arrow arrays, for the engine to read in place.
#pragma once

#include <manta/data/block.h>

#include "data/engine/arrow.h"

namespace manta::data::engine {

// Fills `out`; what it points to lives until its release is called.
void export_schema(const Schema& schema, ArrowSchema& out);
// The same. Numbers, text and lists are used in place; booleans are packed to bits, which copies them.
void export_block(const Block& block, ArrowArray& out);

}  // namespace manta::data::engine
