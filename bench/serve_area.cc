// Serve: echo and a small network behind HTTP under the load of wrk, as the peers' ray_serve.py does it; a bare Beast
// echo beside them; calls through a handle; start and memory. Each case starts the program serve_app as the server.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "bench/areas.h"
#include "bench/child.h"
#include "bench/process_tree.h"

namespace manta::bench {

namespace {

std::string program() { return program_folder() + "/serve_app"; }

// What one run of wrk printed.
struct Load {
  double rate = 0, p50_ms = 0, p99_ms = 0;
};

double in_ms(const std::string& number, const std::string& unit) {
  return std::stod(number) * (unit == "us" ? 1e-3 : unit == "ms" ? 1 : unit == "s" ? 1e3 : 6e4);
}

Load wrk(const std::string& url, int connections, double seconds, const std::string& script) {
  const std::string time = std::to_string(std::max(1, static_cast<int>(seconds + 0.5))) + "s";
  Child child({"/usr/bin/env", "wrk", "-t1", "-c" + std::to_string(connections), "-d" + time, "--timeout", "10s",
               "--latency", "-s", script, url});
  const std::string printed = child.read_all();
  const std::string ended = child.wait();
  check(ended.empty(), "wrk (Debian's package wrk; cmake/deps.sh installs it): " + ended);
  check(printed.find("Non-2xx") == std::string::npos && printed.find("Socket errors") == std::string::npos, printed);
  check(printed.find("wrong bodies: 0\n") != std::string::npos, printed);
  std::smatch rate, p50, p99;
  check(std::regex_search(printed, rate, std::regex(R"(Requests/sec:\s+([\d.]+))")) &&
            std::regex_search(printed, p50, std::regex(R"(50%\s+([\d.]+)(us|ms|s|m))")) &&
            std::regex_search(printed, p99, std::regex(R"(99%\s+([\d.]+)(us|ms|s|m))")),
        printed);
  return {std::stod(rate[1]), in_ms(p50[1], p50[2]), in_ms(p99[1], p99[2])};
}

// A script for wrk that posts `body`, if any, and counts responses without `answer`.
std::string write_script(const std::string& body, const std::string& answer) {
  const std::string file = "/tmp/manta_bench." + std::to_string(::getpid()) + ".lua";
  std::ofstream out(file);
  if (!body.empty())
    out << "wrk.method='POST'\nwrk.body='" << body << "'\nwrk.headers['Content-Type']='application/json'\n";
  out << "bad = 0\nfunction response(status, headers, body) if body ~= '" << answer << "' then bad = bad + 1 end end\n"
      << "function setup(thread) t = thread end\nfunction done() print('wrong bodies: ' .. t:get('bad')) end\n";
  return file;
}

std::string mlp_body() {
  std::string body = "{\"x\": [";
  for (int i = 0; i < 64; ++i) {
    char number[16];
    std::snprintf(number, sizeof number, "%s%.4g", i == 0 ? "" : ", ", (i % 17) / 16.0);
    body += number;
  }
  return body + "]}";
}

void http(Harness& harness, const std::vector<std::string_view>& names, const std::string& mode,
          const std::string& path, const std::string& body, const std::string& answer) {
  Child server({program(), mode});
  std::string address = server.read_line();
  address.erase(address.find_last_not_of('\n') + 1);
  const std::string script = write_script(body, answer);
  constexpr int kConnections[] = {1, 16, 64};
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!harness.wanted(names[i])) continue;
    wrk("http://" + address + path, kConnections[i], harness.settings().seconds, script);
    std::vector<Run> runs;
    std::vector<Run> p50, p99;
    for (int run = 0; run < Harness::kRuns; ++run) {
      const Stopwatch watch;
      const Load load = wrk("http://" + address + path, kConnections[i], harness.settings().seconds, script);
      runs.push_back(watch.stop(load.rate, true));
      p50.push_back({load.p50_ms});
      p99.push_back({load.p99_ms});
    }
    harness.emit(names[i], "requests/s", runs, {{"p50_ms", median_value(p50)}, {"p99_ms", median_value(p99)}});
  }
  std::remove(script.c_str());
  server.wait();
}

constexpr std::string_view kEcho[] = {"http echo, manta, 1 connections", "http echo, manta, 16 connections",
                                      "http echo, manta, 64 connections"};
constexpr std::string_view kMlp[] = {"http mlp, manta, 1 connections", "http mlp, manta, 16 connections",
                                     "http mlp, manta, 64 connections"};
constexpr std::string_view kBare[] = {"http echo, bare beast, 1 connections", "http echo, bare beast, 16 connections",
                                      "http echo, bare beast, 64 connections"};
constexpr std::string_view kHandle = "serve: handle call sync, manta";
constexpr std::string_view kLaunch = "serve: launch to first answer, manta";
constexpr std::string_view kMemory = "serve: memory PSS with two applications up, manta";

void handle_calls(Harness& harness) {
  Child child({program(), "handle", std::to_string(harness.settings().seconds)});
  std::istringstream printed(child.read_all());
  const std::string ended = child.wait();
  check(ended.empty(), program() + ": " + ended);
  std::vector<Run> runs;
  for (double rate = 0; printed >> rate;) runs.push_back({rate});
  check(runs.size() == Harness::kRuns, "what serve_app handle printed");
  harness.emit(kHandle, "1/s", runs);
}

void start(Harness& harness) {
  std::vector<Run> launches, memories;
  const std::string script = write_script("", "ok");
  for (int i = 0; i <= Harness::kRuns; ++i) {
    const Stopwatch watch;
    Child server({program(), "both"});
    std::string address = server.read_line();
    address.erase(address.find_last_not_of('\n') + 1);
    Child curl({"/usr/bin/env", "curl", "-s", "http://" + address + "/echo"});
    check(curl.read_all() == "ok" && curl.wait().empty(), "the first answer, by curl");
    Run launch{watch.seconds()};
    wrk("http://" + address + "/echo", 16, 1, script);
    Run memory;
    for (const pid_t process : process_tree(server.pid())) memory.value += memory_of(process).pss_mib;
    server.wait();
    if (i == 0) continue;
    launches.push_back(launch);
    memories.push_back(memory);
  }
  std::remove(script.c_str());
  harness.emit(kLaunch, "s", launches);
  harness.emit(kMemory, "MiB", memories);
}

}  // namespace

Area serve_area() {
  if (::access(program().c_str(), X_OK) != 0) return {"serve", {}};  // built without LibTorch
  return {"serve",
          {{{kEcho[0], kEcho[1], kEcho[2]},
            [](Harness& h) {
              http(h, {kEcho[0], kEcho[1], kEcho[2]}, "both", "/echo", "", "ok");
            }},
           {{kBare[0], kBare[1], kBare[2]},
            [](Harness& h) {
              http(h, {kBare[0], kBare[1], kBare[2]}, "bare", "/echo", "", "ok");
            }},
           {{kMlp[0], kMlp[1], kMlp[2]},
            [](Harness& h) {
              http(h, {kMlp[0], kMlp[1], kMlp[2]}, "both", "/mlp", mlp_body(), "{\"y\":9}");
            }},
           {{kHandle}, handle_calls},
           {{kLaunch, kMemory}, start}}};
}

}  // namespace manta::bench
