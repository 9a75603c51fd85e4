#include "data/engine/engine.h"

#include <duckdb.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <manta/detail/mutex.h>
#include <manta/detail/setting.h>
#include <manta/error.h>

#include "data/engine/chunk_reader.h"

namespace manta::data::engine {

namespace {

// The engine's message without the excerpt of the SQL, which the user did not write.
[[noreturn]] void throw_engine(const char* message) {
  std::string text = message == nullptr ? "unknown error of the engine" : message;
  const bool memory = text.rfind("Out of Memory", 0) == 0;
  const std::size_t excerpt = text.find("\n\nLINE ");
  if (excerpt != std::string::npos) text.resize(excerpt);
  const std::size_t advice = text.find("\n\nPossible solutions");
  if (advice != std::string::npos) text.resize(advice);
  if (memory)
    text += "\nNext: raise ExecutionOptions::memory_budget_bytes, or see that the spill folder's disk has space";
  throw Error(memory ? ErrorCode::exhausted : ErrorCode::invalid_argument, "data: " + text);
}

struct Connection {
  explicit Connection(duckdb_database database) {
    if (duckdb_connect(database, &handle) != DuckDBSuccess) throw_engine("cannot connect to the engine");
  }
  ~Connection() { duckdb_disconnect(&handle); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  duckdb_connection handle = nullptr;
};

struct Statement {
  Statement(duckdb_connection connection, const std::string& sql) {
    if (duckdb_prepare(connection, sql.c_str(), &handle) == DuckDBSuccess) return;
    const std::string message = duckdb_prepare_error(handle);
    duckdb_destroy_prepare(&handle);
    throw_engine(message.c_str());
  }
  ~Statement() { duckdb_destroy_prepare(&handle); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Its columns; `exact`: whether all are as blocks hold them.
  Schema schema(bool* exact = nullptr) const {
    std::vector<Field> fields;
    for (idx_t i = 0; i < duckdb_prepared_statement_column_count(handle); ++i) {
      duckdb_logical_type logical = duckdb_prepared_statement_column_logical_type(handle, i);
      const char* name = duckdb_prepared_statement_column_name(handle, i);
      EngineType type = type_of(logical);
      if (exact != nullptr) *exact &= type.exact;
      fields.push_back({name, std::move(type.type)});
      duckdb_free(const_cast<char*>(name));
      duckdb_destroy_logical_type(&logical);
    }
    return Schema(std::move(fields));
  }
  duckdb_prepared_statement handle = nullptr;
};

}  // namespace

std::string sql_text(std::string_view text) {
  std::string quoted_text = "'";
  for (const char c : text) {
    if (c == '\'') quoted_text += '\'';
    quoted_text += c;
  }
  return quoted_text + "'";
}

namespace {

// "manta-data-NAMESPACE-": a process id says nothing about processes of another container that shares the folder.
std::string folder_prefix() {
  std::error_code error;
  std::string space = std::filesystem::read_symlink("/proc/self/ns/pid", error).string();  // pid:[4026531836]
  std::erase_if(space, [](char c) { return c < '0' || c > '9'; });
  return "manta-data-" + space + "-";
}

std::string own_folder() {
  std::string folder = manta::detail::text_setting("MANTA_SPILL_DIR");
  if (folder.empty() || folder == "none") folder = std::filesystem::temp_directory_path();
  return folder + "/" + folder_prefix() + std::to_string(::getpid());
}

// Folders of processes that were killed.
void remove_left_folders(const std::filesystem::path& parent) {
  const std::string prefix = folder_prefix();
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(parent, error)) {
    const std::string name = entry.path().filename();
    if (name.rfind(prefix, 0) != 0) continue;
    const int process = std::atoi(name.c_str() + prefix.size());
    if (process > 0 && ::kill(process, 0) != 0 && errno == ESRCH) std::filesystem::remove_all(entry.path(), error);
  }
}

}  // namespace

struct Engine::Impl {
  duckdb_database database = nullptr;
  const pid_t process = ::getpid();
  std::atomic<std::int64_t> ahead_bytes{1 << 20};  // of results, that a query makes before they are asked for
  std::string folder = own_folder();

  Impl() {
    duckdb_config config = nullptr;
    duckdb_create_config(&config);
    // What this library needs is inside the engine; nothing is fetched from elsewhere, and no file is loaded as code.
    for (const char* setting :
         {"autoinstall_known_extensions", "autoload_known_extensions", "allow_community_extensions"}) {
      duckdb_set_config(config, setting, "false");
    }
    remove_left_folders(std::filesystem::path(folder).parent_path());
    duckdb_set_config(config, "temp_directory", folder.c_str());
    char* message = nullptr;
    const duckdb_state state = duckdb_open_ext(nullptr, &database, config, &message);
    duckdb_destroy_config(&config);
    if (state == DuckDBSuccess) {
      const Connection connection(database);
      duckdb_query(connection.handle, "SET parquet_metadata_cache = true", nullptr);
      if (!register_block_scan(connection.handle)) throw_engine("cannot register the scan of blocks");
      return;
    }
    const std::string text = message == nullptr ? "cannot start" : message;
    duckdb_free(message);
    throw_engine(text.c_str());
  }
  ~Impl() { duckdb_close(&database); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
};

struct Query::Impl {
  explicit Impl(duckdb_database database) : connection(database) {}
  ~Impl() {
    duckdb_destroy_data_chunk(&chunk);
    if (started) duckdb_destroy_result(&result);
    statement.reset();
    inputs.reset();
  }

  // The next chunk with rows; false: there is none.
  bool fetch() {
    duckdb_destroy_data_chunk(&chunk);
    used = 0;
    do {
      chunk = duckdb_fetch_chunk(result);
      if (chunk == nullptr) {
        ended = true;
        if (inputs) inputs->rethrow_failure();
        const char* error = duckdb_result_error(&result);
        if (error != nullptr) throw_engine(error);
        return false;
      }
      size = static_cast<std::int64_t>(duckdb_data_chunk_get_size(chunk));
    } while (size == 0);
    return true;
  }

  Connection connection;
  std::optional<Connection> converting;  // of Arrow data, while the other one runs the query
  std::optional<Inputs> inputs;
  std::optional<Statement> statement;
  Schema schema;
  duckdb_result result{};
  bool started = false, ended = false;
  duckdb_data_chunk chunk = nullptr;
  std::int64_t used = 0, size = 0;  // rows of chunk
  std::int64_t expected_rows = 0;
};

Query::Query(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Query::Query(Query&&) noexcept = default;
Query& Query::operator=(Query&&) noexcept = default;
Query::~Query() = default;

const Schema& Query::schema() const { return impl_->schema; }
void Query::expect(std::int64_t rows) { impl_->expected_rows = rows; }

std::optional<Block> Query::next(std::int64_t rows) {
  Impl& query = *impl_;
  ChunkReader reader(query.schema);
  reader.reserve(std::min(rows, query.expected_rows));
  while (reader.rows() < rows && !query.ended) {
    if (query.used == query.size && !query.fetch()) break;
    const std::int64_t count = std::min(query.size - query.used, rows - reader.rows());
    reader.append(query.chunk, query.used, count);
    query.used += count;
  }
  if (reader.rows() == 0) return std::nullopt;
  return reader.finish();
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Engine& Engine::get() {
  static manta::detail::Mutex mutex;
  static Engine* engine = nullptr;
  static pid_t process = 0;
  const manta::detail::MutexLock lock(mutex);
  if (engine == nullptr || process != ::getpid()) {
    // A forked child has none of the threads of its parent's engine, which is left as it is.
    engine = new Engine(std::make_unique<Impl>());
    if (process == 0) {
      std::atexit([] {
        std::error_code error;
        if (engine->impl_->process == ::getpid()) std::filesystem::remove_all(engine->impl_->folder, error);
      });
    }
    process = ::getpid();
  }
  return *engine;
}

Schema Engine::describe(const std::string& sql) {
  const Connection connection(impl_->database);
  return Statement(connection.handle, sql).schema();
}

Query Engine::query(const std::string& sql, std::vector<Input> inputs, const Schema* wanted) {
  auto query = std::make_unique<Query::Impl>(impl_->database);
  if (!inputs.empty()) {
    query->converting.emplace(impl_->database);
    query->inputs.emplace(query->converting->handle, std::move(inputs));
  }
  const std::string ahead = "SET streaming_buffer_size = '" + std::to_string(impl_->ahead_bytes.load()) + "B'";
  duckdb_query(query->connection.handle, ahead.c_str(), nullptr);
  query->statement.emplace(query->connection.handle, sql);
  bool exact = true;
  const Schema is = query->statement->schema(&exact);
  query->schema = wanted != nullptr ? *wanted : is;
  if (!exact || !(is == query->schema)) {
    std::string casts = "SELECT ";
    for (const Field& field : query->schema.fields()) {
      if (&field != &query->schema.fields().front()) casts += ", ";
      casts += "CAST(" + quoted_name(field.name) + " AS " + to_string(field.type) + ") AS " + quoted_name(field.name);
    }
    query->statement.emplace(query->connection.handle, casts + " FROM (" + sql + ") AS t");
  }
  query->started = true;
  if (duckdb_execute_prepared_streaming(query->statement->handle, &query->result) != DuckDBSuccess) {
    if (query->inputs) query->inputs->rethrow_failure();
    throw_engine(duckdb_result_error(&query->result));
  }
  return Query(std::move(query));
}

std::int64_t Engine::run(const std::string& sql, std::vector<Input> inputs) {
  const Connection connection(impl_->database), converting(impl_->database);
  const Inputs tables(converting.handle, std::move(inputs));
  duckdb_result result{};
  const duckdb_state state = duckdb_query(connection.handle, sql.c_str(), &result);
  if (state != DuckDBSuccess) {
    const char* error = duckdb_result_error(&result);
    const std::string message = error == nullptr ? "" : error;
    duckdb_destroy_result(&result);
    tables.rethrow_failure();
    throw_engine(message.c_str());
  }
  const auto changed = static_cast<std::int64_t>(duckdb_rows_changed(&result));
  duckdb_destroy_result(&result);
  return changed;
}

void Engine::limit(std::int64_t memory_bytes, int threads) {
  // With few results ahead, the engine's threads wait for the one that takes them: a sort took 1.5 times as long.
  constexpr std::int64_t kLeastAhead = 1 << 20, kMostAhead = 64 << 20;
  if (memory_bytes > 0) impl_->ahead_bytes = std::clamp(memory_bytes / 16, kLeastAhead, kMostAhead);
  if (memory_bytes > 0) run("SET memory_limit = '" + std::to_string(memory_bytes) + "B'");
  if (threads > 0) run("SET threads = " + std::to_string(threads));
}

const std::string& Engine::spill_folder() const { return impl_->folder; }

void Engine::spill_below(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);  // where it fails, spilling says so
  run("SET temp_directory = " + sql_text(folder + "/" + std::to_string(::getpid())));
}

}  // namespace manta::data::engine
