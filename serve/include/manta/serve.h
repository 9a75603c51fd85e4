// All of manta::serve, but for models of LibTorch: those are in <manta/serve/torch.h>.
#pragma once

#include <manta/serve/deployment.h>
#include <manta/serve/handle.h>
#include <manta/serve/http.h>
#include <manta/serve/inference.h>
#include <manta/serve/json.h>
#include <manta/serve/options.h>
#include <manta/serve/server.h>
