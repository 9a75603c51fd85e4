#include "data/engine/block_scan.h"

#include <duckdb.h>

#include <map>

#include <manta/detail/mutex.h>
#include <manta/error.h>

#include "data/engine/arrow_export.h"
#include "data/engine/chunk_reader.h"

namespace manta::data::engine {

using manta::detail::Mutex;
using manta::detail::MutexLock;

struct BlockTable {
  duckdb_connection connection = nullptr;
  Input input;
  Mutex mutex;
  std::exception_ptr failure MANTA_GUARDED_BY(mutex);
  bool ended MANTA_GUARDED_BY(mutex) = false;

  // Nothing: it has ended, also by a failure.
  std::optional<Block> next() {
    const MutexLock lock(mutex);
    if (ended) return std::nullopt;
    try {
      std::optional<Block> block = input.next();
      ended = !block;
      return block;
    } catch (...) {
      ended = true;
      failure = std::current_exception();
      throw;
    }
  }
};

namespace {

// The tables by name.
struct Registry {
  Mutex mutex;
  std::map<std::string, std::shared_ptr<BlockTable>> tables MANTA_GUARDED_BY(mutex);

  static Registry& get() {
    static Registry registry;
    return registry;
  }
  std::shared_ptr<BlockTable> find(const std::string& name) {
    const MutexLock lock(mutex);
    const auto found = tables.find(name);
    return found == tables.end() ? nullptr : found->second;
  }
};

// What a query reads of a table: some columns, converted for the engine.
struct Scan {
  std::shared_ptr<BlockTable> table;
  std::vector<std::size_t> columns;
  Schema schema;
  duckdb_arrow_converted_schema converted = nullptr;
  ~Scan() { duckdb_destroy_arrow_converted_schema(&converted); }
};
// Where one of the engine's threads is.
struct Cursor {
  Block block;
  std::int64_t row = 0;
};

template <class T>
void destroy(void* object) {
  delete static_cast<T*>(object);
}

void bind(duckdb_bind_info info) {
  duckdb_value value = duckdb_bind_get_parameter(info, 0);
  char* name = duckdb_get_varchar(value);
  duckdb_destroy_value(&value);
  const std::shared_ptr<BlockTable> table = Registry::get().find(name);
  duckdb_free(name);
  if (table == nullptr) return duckdb_bind_set_error(info, "a table of blocks that is not there");
  for (const Field& field : table->input.schema.fields()) {
    duckdb_logical_type type = logical_type_of(field.type);
    duckdb_bind_add_result_column(info, field.name.c_str(), type);
    duckdb_destroy_logical_type(&type);
  }
  duckdb_bind_set_bind_data(info, new std::shared_ptr<BlockTable>(table), &destroy<std::shared_ptr<BlockTable>>);
}

void init(duckdb_init_info info) {
  auto scan = std::make_unique<Scan>();
  scan->table = *static_cast<std::shared_ptr<BlockTable>*>(duckdb_init_get_bind_data(info));
  std::vector<Field> fields;
  for (idx_t i = 0; i < duckdb_init_get_column_count(info); ++i) {
    const std::size_t column = duckdb_init_get_column_index(info, i);
    // Of a query that needs no column, only how many rows there are.
    if (column >= scan->table->input.schema.size()) continue;
    scan->columns.push_back(column);
    fields.push_back(scan->table->input.schema[column]);
  }
  scan->schema = Schema(std::move(fields));
  ArrowSchema schema;
  export_schema(scan->schema, schema);
  duckdb_error_data error = duckdb_schema_from_arrow(scan->table->connection, &schema, &scan->converted);
  if (schema.release != nullptr) schema.release(&schema);
  if (duckdb_error_data_has_error(error)) duckdb_init_set_error(info, duckdb_error_data_message(error));
  duckdb_destroy_error_data(&error);
  constexpr idx_t kThreads = 64;
  duckdb_init_set_max_threads(info, kThreads);
  duckdb_init_set_init_data(info, scan.release(), &destroy<Scan>);
}

void init_thread(duckdb_init_info info) { duckdb_init_set_init_data(info, new Cursor(), &destroy<Cursor>); }

// Fills a chunk with the next rows, which it refers to; none: the table has ended.
void read(duckdb_function_info info, duckdb_data_chunk output) {
  const Scan& scan = *static_cast<Scan*>(duckdb_function_get_init_data(info));
  Cursor& cursor = *static_cast<Cursor*>(duckdb_function_get_local_init_data(info));
  try {
    while (cursor.row == cursor.block.rows()) {
      const std::optional<Block> next = scan.table->next();
      if (!next) return duckdb_data_chunk_set_size(output, 0);
      std::vector<Column> columns;
      for (const std::size_t column : scan.columns) columns.push_back(next->column(column));
      cursor.block = Block(scan.schema, std::move(columns), next->rows());
      cursor.row = 0;
    }
    const Block rows = cursor.block.slice(cursor.row, static_cast<std::int64_t>(duckdb_vector_size()));
    cursor.row += rows.rows();
    if (!scan.columns.empty()) {
      ArrowArray array;
      export_block(rows, array);
      duckdb_data_chunk chunk = nullptr;
      duckdb_error_data error = duckdb_data_chunk_from_arrow(scan.table->connection, &array, scan.converted, &chunk);
      const bool failed = duckdb_error_data_has_error(error);
      if (failed) duckdb_function_set_error(info, duckdb_error_data_message(error));
      duckdb_destroy_error_data(&error);
      for (idx_t i = 0; !failed && i < scan.columns.size(); ++i) {
        duckdb_vector_reference_vector(duckdb_data_chunk_get_vector(output, i), duckdb_data_chunk_get_vector(chunk, i));
      }
      duckdb_destroy_data_chunk(&chunk);
      if (array.release != nullptr) array.release(&array);
      if (failed) return;
    }
    duckdb_data_chunk_set_size(output, static_cast<idx_t>(rows.rows()));
  } catch (const std::exception& error) {
    duckdb_function_set_error(info, error.what());
  }
}

}  // namespace

Inputs::Inputs(_duckdb_connection* connection, std::vector<Input> inputs) {
  Registry& registry = Registry::get();
  const MutexLock lock(registry.mutex);
  for (Input& input : inputs) {
    auto table = std::make_shared<BlockTable>();
    table->connection = connection;
    table->input = std::move(input);
    registry.tables[table->input.name] = table;
    tables_.push_back(std::move(table));
  }
}

Inputs::~Inputs() {
  Registry& registry = Registry::get();
  const MutexLock lock(registry.mutex);
  for (const auto& table : tables_) registry.tables.erase(table->input.name);
}

void Inputs::rethrow_failure() const {
  for (const auto& table : tables_) {
    const MutexLock lock(table->mutex);
    if (table->failure) std::rethrow_exception(table->failure);
  }
}

bool register_block_scan(_duckdb_connection* connection) {
  duckdb_table_function function = duckdb_create_table_function();
  duckdb_table_function_set_name(function, "manta_blocks");
  duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
  duckdb_table_function_add_parameter(function, text);
  duckdb_destroy_logical_type(&text);
  duckdb_table_function_set_bind(function, &bind);
  duckdb_table_function_set_init(function, &init);
  duckdb_table_function_set_local_init(function, &init_thread);
  duckdb_table_function_set_function(function, &read);
  duckdb_table_function_supports_projection_pushdown(function, true);
  const bool registered = duckdb_register_table_function(connection, function) == DuckDBSuccess;
  duckdb_destroy_table_function(&function);
  return registered;
}

}  // namespace manta::data::engine
