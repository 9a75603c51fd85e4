// The journal: what is written is read back, wherever its writer died; its lines are those that Optuna 5.0 writes and
// reads.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>

#include "tests/support/file_limit.h"
#include "tests/support/folder.h"
#include "tests/support/message.h"
#include "tune/storage/journal.h"
#include "tune/storage/trial_tables.h"

namespace manta::tune::detail {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

Distribution categorical(std::vector<Value> choices) {
  return {.kind = Distribution::Kind::categorical,
          .choices = std::make_shared<const std::vector<Value>>(std::move(choices))};
}

// A study with everything that a journal can hold.
std::vector<TrialRecord> some_trials() {
  std::vector<TrialRecord> trials(5);
  for (std::size_t i = 0; i < trials.size(); ++i) trials[i].number = static_cast<std::int64_t>(i);
  trials[0].params = {{"rate", {.log = true, .low = 1e-5, .high = 1, .choices = nullptr}, 0.1 + 0.2},
                      {"layers", {.kind = Distribution::Kind::integer, .low = 1, .high = 4, .choices = nullptr}, 3},
                      {"kernel", categorical({"rbf", "lin\"ear", true, std::int64_t{7}, 1.0}), 4}};
  trials[0].status = TrialStatus::complete;
  trials[0].value = 0.25;
  trials[0].metrics = {{"loss", 0.25}, {"epoch", 3}};
  trials[0].reports = {{1, 0.5}, {2, NAN}, {3, 0.25}};
  trials[0].seconds = 1.5;
  trials[1].params = {{"kernel", categorical({"rbf", "lin\"ear", true, std::int64_t{7}, 1.0}), 0}};
  trials[1].status = TrialStatus::stopped;
  trials[1].value = INFINITY;
  trials[1].metrics = {{"loss", INFINITY}};
  trials[1].reports = {{7, -INFINITY}, {8, INFINITY}};
  trials[2].status = TrialStatus::failed;
  trials[2].error = "std::runtime_error: \xff bad\nline";
  trials[4].params = {{"rate", {.log = true, .low = 1e-5, .high = 1, .choices = nullptr}, 1}};
  return trials;
}

void write_all(Journal& journal, const std::vector<TrialRecord>& trials) {
  journal.create_study("mine", Mode::max, "loss");
  for (const TrialRecord& trial : trials) journal.create_trial(trial);
  for (const TrialRecord& trial : trials) {
    for (const Intermediate& report : trial.reports) journal.add_report(trial.number, report);
    if (trial.status != TrialStatus::running) journal.end_trial(trial, "loss");
  }
  journal.flush();
}

void expect_same(double a, double b) { EXPECT_TRUE(a == b || (std::isnan(a) && std::isnan(b))) << a << " and " << b; }

void expect_same(const TrialRecord& a, const TrialRecord& b) {
  EXPECT_EQ(a.number, b.number);
  EXPECT_EQ(a.status, b.status);
  EXPECT_EQ(a.value, b.value);
  EXPECT_EQ(a.metrics, b.metrics);
  EXPECT_EQ(a.seconds, b.seconds);
  ASSERT_EQ(a.params.size(), b.params.size());
  for (std::size_t i = 0; i < a.params.size(); ++i) {
    EXPECT_EQ(a.params[i].name, b.params[i].name);
    EXPECT_EQ(a.params[i].distribution, b.params[i].distribution);
    EXPECT_EQ(a.params[i].number, b.params[i].number);
    EXPECT_EQ(a.params[i].value(), b.params[i].value());
  }
  ASSERT_EQ(a.reports.size(), b.reports.size());
  for (std::size_t i = 0; i < a.reports.size(); ++i) {
    EXPECT_EQ(a.reports[i].iteration, b.reports[i].iteration);
    expect_same(a.reports[i].value, b.reports[i].value);
  }
}

class JournalTest : public FolderTest {
 protected:
  std::filesystem::path path() const { return folder_ / "study.journal"; }
};

TEST_F(JournalTest, ReadsWhatItHasWritten) {
  const auto trials = some_trials();
  {
    Journal journal(path(), 0);
    write_all(journal, trials);
  }
  const StoredStudy study = read_journal(path());
  EXPECT_EQ(study.name, "mine");
  EXPECT_EQ(study.mode, Mode::max);
  EXPECT_EQ(study.metric, "loss");
  EXPECT_EQ(study.whole_bytes, std::filesystem::file_size(path()));
  EXPECT_EQ(study.reports.size(), 5U);
  ASSERT_EQ(study.trials.size(), trials.size());
  for (std::size_t i = 0; i < trials.size(); ++i) expect_same(study.trials[i], trials[i]);
  EXPECT_EQ(study.trials[2].error, "std::runtime_error: \xef\xbf\xbd bad\nline");
}

// Takes out what begins so, to the first such end after that, wherever it stands; returns what the first one was.
std::string cut_out(std::string& text, const std::string& begin, char end) {
  std::string first;
  for (std::size_t at = 0; (at = text.find(begin, at)) != std::string::npos;) {
    const std::size_t after = text.find(end, at + begin.size()) + 1;
    if (first.empty()) first = text.substr(at + begin.size(), after - at - begin.size());
    text.erase(at, after - at);
  }
  return first;
}

// The lines without their times and writers: what optuna 5.0.0 writes for the same operations, but for the order of
// keys.
TEST_F(JournalTest, WritesOptunasRecords) {
  Journal journal(path(), 0);
  auto trials = some_trials();
  trials[0].seconds = 0;
  trials.resize(1);
  write_all(journal, trials);
  std::string text = read(path());
  cut_out(text, ",\"worker_id\":\"", '"');
  const std::string time = cut_out(text, "\"datetime_", ',');  // of the start; the other one is the same
  EXPECT_THAT(time, MatchesRegex("start\":\"2[0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
                                 "\\.[0-9][0-9][0-9][0-9][0-9][0-9]\\+00:00\","));
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  EXPECT_THAT(
      lines,
      ElementsAre(
          R"({"op_code":0,"study_name":"mine","directions":[2]})",
          R"({"op_code":3,"study_id":0,"system_attr":{"study:metric_names":["loss"]}})",
          R"({"op_code":4,"study_id":0,"state":0,"distributions":{"rate":"{\"name\": \"FloatDistribution\", )"
          R"(\"attributes\": {\"step\": null, \"low\": 1e-05, \"high\": 1.0, \"log\": true}}","layers":"{\"name\": )"
          R"(\"IntDistribution\", \"attributes\": {\"log\": false, \"step\": 1, \"low\": 1, \"high\": 4}}","kernel":)"
          R"("{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"rbf\", \"lin\\\"ear\", true, 7, )"
          R"(1.0]}}"},"params":{"rate":0.30000000000000004,"layers":3,"kernel":4}})",
          R"({"op_code":7,"trial_id":0,"step":1,"intermediate_value":0.5})",
          R"({"op_code":7,"trial_id":0,"step":2,"intermediate_value":NaN})",
          R"({"op_code":7,"trial_id":0,"step":3,"intermediate_value":0.25})",
          R"({"op_code":8,"trial_id":0,"user_attr":{"metrics":{"epoch":3,"loss":0.25}}})",
          R"({"op_code":6,"trial_id":0,"state":1,"values":[0.25],"seconds":0})"));
}

TEST_F(JournalTest, ReadsWhatOptunaHasWritten) {
  write(path(),
        R"({"op_code":0,"worker_id":"a-1","study_name":"theirs","directions":[1]}
{"op_code":2,"worker_id":"a-1","study_id":0,"user_attr":{"note":"x"}}
{"op_code":4,"worker_id":"a-1","study_id":0,"datetime_start":"2026-11-29T05:41:00.123456+00:00"}
{"op_code":5,"worker_id":"a-1","trial_id":0,"param_name":"x","param_value_internal":0.5,"distribution":"{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 0.0, \"high\": 1.0, \"log\": false}}"}
{"op_code":7,"worker_id":"a-1","trial_id":0,"step":0,"intermediate_value":0.75}
{"op_code":9,"worker_id":"a-1","trial_id":0,"system_attr":{"k":1}}
{"op_code":6,"worker_id":"a-1","trial_id":0,"state":2,"values":[0.75],"datetime_complete":"2026-11-29T05:41:01.123456+00:00"}
)");
  const StoredStudy study = read_journal(path());
  EXPECT_EQ(study.metric, "");
  ASSERT_EQ(study.trials.size(), 1U);
  EXPECT_EQ(study.trials[0].status, TrialStatus::stopped);
  EXPECT_EQ(study.trials[0].value, 0.75);
  EXPECT_EQ(std::get<double>(study.trials[0].params.at(0).value()), 0.5);
}

TEST_F(JournalTest, IsReadWhereverItsWriterDied) {
  const auto trials = some_trials();
  {
    Journal journal(path(), 0);
    write_all(journal, trials);
  }
  const std::string whole = read(path());
  for (std::size_t cut = whole.size(); cut-- > 0;) {
    std::filesystem::resize_file(path(), cut);
    const StoredStudy study = read_journal(path());
    const std::size_t end = cut == 0 ? std::string::npos : whole.rfind('\n', cut - 1);
    EXPECT_EQ(study.whole_bytes, end + 1) << cut;  // npos + 1 is 0
    EXPECT_LE(study.trials.size(), trials.size());
    for (std::size_t i = 0; i < study.trials.size(); ++i) {
      if (study.trials[i].status != TrialStatus::running) expect_same(study.trials[i], trials[i]);
    }
    if (cut % 97 != 0 || study.whole_bytes == 0) continue;  // and its next writer goes on behind the last whole record
    Journal(path(), study.whole_bytes).flush();
    EXPECT_EQ(read(path()), whole.substr(0, study.whole_bytes));
    cut = study.whole_bytes;
  }
}

TEST_F(JournalTest, ATrialThatIsRunAgainReportsAnew) {
  Journal journal(path(), 0);
  journal.create_study("mine", Mode::min, "loss");
  journal.create_trial({});
  for (const std::int64_t step : {1, 2, 3, 2}) journal.add_report(0, {step, 10.0 * static_cast<double>(step)});
  journal.add_report(0, {3, 7});
  journal.flush();
  const StoredStudy study = read_journal(path());
  ASSERT_EQ(study.trials[0].reports.size(), 3U);
  EXPECT_EQ(study.trials[0].reports[2].value, 7);
  EXPECT_EQ(study.reports.size(), 5U);
}

TEST_F(JournalTest, NamesTheLineThatIsNone) {
  const std::string study = R"({"op_code":0,"study_name":"a","directions":[1]})"
                            "\n";
  const auto message = [&](const std::string& content) {
    write(path(), content);
    return message_of([&] { (void)read_journal(path()); });
  };
  EXPECT_THAT(message("hello\n"), HasSubstr("study.journal:1: this line is no record"));
  EXPECT_THAT(message(study + "{}\n"), HasSubstr("study.journal:2: this line is no record"));
  EXPECT_THAT(message(study + R"({"op_code":7,"trial_id":3,"step":1,"intermediate_value":1})"
                              "\n"),
              HasSubstr("there is no trial 3"));
  EXPECT_THAT(message(study + study), HasSubstr("it begins a second study"));
}

TEST_F(JournalTest, AFullDiskIsSaidOnceAndLeavesWholeRecords) {
  Journal journal(path(), 0);
  journal.create_study(std::string(5000, 'x'), Mode::min, "loss");  // beyond the limit's reach: what captures stderr
  journal.flush();
  ::testing::internal::CaptureStderr();
  {
    const FileLimit full(std::filesystem::file_size(path()) + 40);
    for (int i = 0; i < 3; ++i) {
      journal.create_trial({});
      journal.flush();
    }
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("study.journal: cannot be written"));
  journal.create_trial({});
  journal.flush();
  EXPECT_EQ(read_journal(path()).trials.size(), 1U);
}

class TablesTest : public FolderTest {};

TEST_F(TablesTest, HaveARowAndALineForEachTrialThatEnded) {
  auto trials = some_trials();
  TrialTables tables(folder_, {});
  for (const std::size_t i : {1, 0, 2}) tables.add(trials[i]);
  tables.flush({trials[0], trials[1], trials[2]});
  tables.rewrite(trials);
  EXPECT_EQ(read(folder_ / "trials.csv"),
            "trial,status,value,seconds,reports,param:kernel,param:rate,param:layers,metric:loss,metric:epoch,error\n"
            "0,complete,0.25,1.5,3,1,0.30000000000000004,3,0.25,3,\n"
            "1,stopped,inf,0,2,rbf,,,inf,,\n"
            "2,failed,,0,0,,,,,,std::runtime_error: \xef\xbf\xbd bad line\n");
  EXPECT_EQ(read(folder_ / "trials.jsonl"),
            R"({"trial": 0, "status": "complete", "value": 0.25, "params": {"rate": 0.30000000000000004, "layers": 3, )"
            R"("kernel": 1.0}, "metrics": {"epoch": 3, "loss": 0.25}, "reports": 3, "seconds": 1.5})"
            "\n"
            R"({"trial": 1, "status": "stopped", "value": Infinity, "params": {"kernel": "rbf"}, "metrics": {"loss": )"
            R"(Infinity}, "reports": 2, "seconds": 0})"
            "\n"
            "{\"trial\": 2, \"status\": \"failed\", \"value\": null, \"params\": {}, \"metrics\": {}, \"reports\": 0, "
            "\"seconds\": 0, \"error\": \"std::runtime_error: \xef\xbf\xbd bad\\nline\"}\n");
}

TEST_F(TablesTest, AreAppendedToWhileTheStudyRuns) {
  auto trials = some_trials();
  TrialTables tables(folder_, {trials[0]});
  TrialRecord next = trials[0];
  next.number = 5;
  tables.add(next);
  tables.flush({});  // no new columns: the rows that are there stay as they are
  const std::string csv = read(folder_ / "trials.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  EXPECT_THAT(csv, HasSubstr("\n5,complete,"));
}

}  // namespace
}  // namespace manta::tune::detail
