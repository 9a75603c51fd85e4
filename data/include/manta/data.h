/// Data: load, transform and feed. See data/README.md.
#pragma once

#include <manta/data/block.h>
#include <manta/data/builder.h>
#include <manta/data/dataset.h>
#include <manta/data/expression.h>
#include <manta/data/loader.h>
#include <manta/data/read.h>
#include <manta/data/row.h>
#include <manta/data/type.h>
