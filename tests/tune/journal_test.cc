// The journal: what is written is read back, wherever its writer died; its lines are those that Optuna 5.0 writes and
// reads.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <fstream>
#include <sstream>
#include <thread>

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

void make_trials(Journal& journal, const std::vector<TrialRecord>& trials) {
  Journal::Turn turn(journal);
  for (const TrialRecord& trial : trials) journal.create_trial(trial);
  turn.commit();
}

void write_all(Journal& journal, const std::vector<TrialRecord>& trials) {
  journal.create_study("mine", {{"loss", Mode::max}});
  make_trials(journal, trials);
  for (const TrialRecord& trial : trials) {
    for (const Intermediate& report : trial.reports) journal.add_report(trial.number, report);
    if (trial.status != TrialStatus::running) journal.end_trial(trial, "loss");
  }
  EXPECT_TRUE(journal.flush().empty());
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
  void write_more(const std::string& lines) { std::ofstream(path(), std::ios::binary | std::ios::app) << lines; }
};

constexpr const char* kTwoTrials =
    R"({"op_code":0,"worker_id":"a-1","study_name":"theirs","directions":[1]}
{"op_code":4,"worker_id":"a-1","study_id":0,"datetime_start":"2026-11-29T05:41:00.123456+00:00","datetime_complete":"2026-11-29T05:41:01.123456+00:00","state":1,"value":0.25,"values":null,"distributions":{"x":"{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 0.0, \"high\": 1.0, \"log\": false}}"},"params":{"x":0.5},"user_attrs":{},"system_attrs":{},"intermediate_values":{"0":0.5,"3":Infinity}}
{"op_code":4,"worker_id":"a-1","study_id":0,"datetime_start":null,"state":4,"value":null,"values":null,"distributions":{},"params":{},"user_attrs":{},"system_attrs":{"fixed_params":{"x":0.5,"kernel":"rbf"}},"intermediate_values":{}}
)";

TEST_F(JournalTest, ReadsWhatItHasWritten) {
  const auto trials = some_trials();
  {
    Journal journal(path(), "mine");
    write_all(journal, trials);
  }
  Journal journal(path(), "mine");
  JournalReader& study = journal.known();
  EXPECT_EQ(study.objectives().at(0).mode, Mode::max);
  EXPECT_EQ(study.objectives().at(0).metric, "loss");
  EXPECT_EQ(study.take_reports().size(), 5U);
  ASSERT_EQ(study.size(), trials.size());
  for (std::size_t i = 0; i < trials.size(); ++i) {
    expect_same(study.trial(static_cast<std::int64_t>(i)).record, trials[i]);
    EXPECT_TRUE(study.trial(static_cast<std::int64_t>(i)).own);
  }
  EXPECT_EQ(study.trial(2).record.error, "std::runtime_error: \xef\xbf\xbd bad\nline");
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
  Journal journal(path(), "mine");
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
  Journal journal(path(), "study");
  JournalReader& study = journal.known();
  EXPECT_EQ(study.objectives().at(0).metric, "");
  ASSERT_EQ(study.size(), 1U);
  EXPECT_FALSE(study.trial(0).own);
  EXPECT_EQ(study.trial(0).record.status, TrialStatus::stopped);
  EXPECT_EQ(study.trial(0).record.value, 0.75);
  EXPECT_EQ(std::get<double>(study.trial(0).record.params.at(0).value()), 0.5);
}

// What Study.add_trial and Study.enqueue_trial write.
TEST_F(JournalTest, ReadsTrialsThatWereAddedWholeOrQueued) {
  write(path(), kTwoTrials);
  Journal journal(path(), "theirs");
  JournalReader& study = journal.known();
  ASSERT_EQ(study.size(), 2U);
  const TrialRecord& added = study.trial(0).record;
  EXPECT_EQ(added.status, TrialStatus::complete);
  EXPECT_EQ(added.value, 0.25);
  ASSERT_EQ(added.reports.size(), 2U);
  EXPECT_EQ(added.reports[1].iteration, 3);
  EXPECT_TRUE(std::isinf(added.reports[1].value));
  EXPECT_FALSE(study.trial(0).queued);
  const StoredTrial& queued = study.trial(1);
  EXPECT_TRUE(queued.waiting);
  EXPECT_EQ(queued.record.status, TrialStatus::running);
  EXPECT_EQ(queued.fixed, (std::map<std::string, Value>{{"x", 0.5}, {"kernel", "rbf"}}));
}

TEST_F(JournalTest, WhatOthersAppendIsReadBeforeATrialIsMade) {
  write(path(), kTwoTrials);
  Journal journal(path(), "theirs");
  write_more(R"({"op_code":4,"worker_id":"b","study_id":0,"datetime_start":"2026-11-29T05:41:00.123456+00:00"})"
             "\n");
  {
    Journal::Turn turn(journal);
    EXPECT_THAT(turn.changed(), ElementsAre(2));
    EXPECT_TRUE(std::filesystem::is_symlink(path().string() + ".lock"));
    journal.create_trial({.number = 3});
    turn.commit();
  }
  EXPECT_FALSE(std::filesystem::is_symlink(path().string() + ".lock"));
  write_more(R"({"op_code":6,"worker_id":"b","trial_id":2,"state":1,"values":[7.0]})"
             "\n");
  journal.add_report(3, {1, 0.5});
  EXPECT_THAT(journal.flush(), ElementsAre(2));
  EXPECT_EQ(journal.known().trial(2).record.value, 7.0);
  EXPECT_EQ(Journal(path(), "theirs").known().size(), 4U);
}

TEST_F(JournalTest, AStudyIsFoundAmongOthersByItsName) {
  write(path(), R"({"op_code":0,"worker_id":"a","study_name":"one","directions":[1]}
{"op_code":0,"worker_id":"a","study_name":"two","directions":[2]}
{"op_code":0,"worker_id":"a","study_name":"one","directions":[1]}
{"op_code":4,"worker_id":"a","study_id":0,"datetime_start":null}
{"op_code":4,"worker_id":"a","study_id":1,"datetime_start":null}
{"op_code":7,"worker_id":"a","trial_id":0,"step":1,"intermediate_value":0.75}
{"op_code":7,"worker_id":"a","trial_id":1,"step":1,"intermediate_value":0.5}
)");
  Journal journal(path(), "two");
  EXPECT_EQ(journal.known().objectives().at(0).mode, Mode::max);
  ASSERT_EQ(journal.known().size(), 1U);
  const auto reports = journal.known().take_reports();
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].second.value, 0.5);
  make_trials(journal, {TrialRecord{.number = 1}});
  EXPECT_THAT(read(path()), HasSubstr(R"({"op_code":4,"study_id":1,)"));
  journal.end_trial({.number = 1, .status = TrialStatus::failed}, "loss");
  EXPECT_TRUE(journal.flush().empty());
  EXPECT_THAT(read(path()), HasSubstr(R"({"op_code":6,"trial_id":2,"state":3)"));
  EXPECT_THAT(message_of([&] { Journal(path(), "three"); }),
              HasSubstr("holds the studies one, two, none of them named"));
}

TEST_F(JournalTest, SeveralObjectivesAndConstraintsAreRestored) {
  TrialRecord trial{.number = 0, .status = TrialStatus::complete, .value = 1, .values = {1, INFINITY}};
  trial.metrics = {{"loss", 1}, {"speed", INFINITY}};
  trial.constraints = {{"size \"MB\"", -0.5}, {"time", INFINITY}};
  {
    Journal journal(path(), "mine");
    journal.create_study("mine", {{"loss", Mode::min}, {"speed", Mode::max}});
    make_trials(journal, {trial, {.number = 1}});
    journal.end_trial(trial, "loss");
    journal.end_trial({.number = 1, .status = TrialStatus::stopped, .value = 2}, "loss");
    EXPECT_TRUE(journal.flush().empty());
  }
  const std::string text = read(path());
  EXPECT_THAT(text, HasSubstr(R"("directions":[1,2])"));
  EXPECT_THAT(text, HasSubstr(R"("study:metric_names":["loss","speed"])"));
  EXPECT_THAT(text, HasSubstr(R"({"op_code":9,"trial_id":0,"system_attr":{"constraints:size \"MB\"":-0.5})"));
  EXPECT_THAT(text, HasSubstr(R"("state":1,"values":[1.0,Infinity])"));
  EXPECT_THAT(text, HasSubstr(R"("state":2,"values":null)"));  // Optuna has as many as directions, or none
  Journal journal(path(), "mine");
  const std::vector<Objective>& objectives = journal.known().objectives();
  ASSERT_EQ(objectives.size(), 2U);
  EXPECT_EQ(objectives[1].metric, "speed");
  EXPECT_EQ(objectives[1].mode, Mode::max);
  const TrialRecord& stored = journal.known().trial(0).record;
  EXPECT_EQ(stored.values, trial.values);
  EXPECT_EQ(stored.constraints, trial.constraints);
  EXPECT_EQ(stored.value, 1);
}

TEST_F(JournalTest, ReadsTheConstraintsOfOlderVersions) {
  write(path(), R"({"op_code":0,"worker_id":"a","study_name":"one","directions":[1,2]}
{"op_code":4,"worker_id":"a","study_id":0,"datetime_start":null}
{"op_code":9,"worker_id":"a","trial_id":0,"system_attr":{"constraints":[0.5,-1.0]}}
{"op_code":8,"worker_id":"a","trial_id":0,"user_attr":{"constraints":[7.0]}}
{"op_code":6,"worker_id":"a","trial_id":0,"state":1,"values":[3.0,4.0]}
)");
  Journal journal(path(), "one");
  const TrialRecord& trial = journal.known().trial(0).record;
  EXPECT_EQ(trial.constraints, (Metrics{{"0", 0.5}, {"1", -1}}));
  EXPECT_THAT(trial.values, ElementsAre(3, 4));
}

TEST_F(JournalTest, TheLockOfADeadProgramOfItsOwnIsBrokenAtOnceAndNoOther) {
  const std::filesystem::path lock = path().string() + ".lock";
  write(path(), "");
  std::filesystem::create_symlink("./study.journal", lock);
  Journal(path(), "mine").create_study("mine", {{"loss", Mode::min}});
  EXPECT_FALSE(std::filesystem::is_symlink(lock));
  // Another program's lock: the journal waits until that gives it back.
  std::filesystem::create_symlink(path(), lock);
  std::atomic<bool> opened{false};
  std::thread opener([&] {
    Journal journal(path(), "mine");
    opened = true;
  });
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  while (std::chrono::steady_clock::now() < until) ASSERT_FALSE(opened);
  std::filesystem::remove(lock);
  opener.join();
  EXPECT_TRUE(opened);
}

TEST_F(JournalTest, IsReadWhereverItsWriterDied) {
  const auto trials = some_trials();
  {
    Journal journal(path(), "mine");
    write_all(journal, trials);
  }
  const std::string whole = read(path());
  for (std::size_t cut = whole.size(); cut-- > 0;) {
    std::filesystem::resize_file(path(), cut);
    Journal journal(path(), "mine");
    const std::size_t end = cut == 0 ? std::string::npos : whole.rfind('\n', cut - 1);
    EXPECT_EQ(std::filesystem::file_size(path()), end + 1) << cut;  // npos + 1 is 0
    if (!journal.has_study()) continue;
    JournalReader& study = journal.known();
    EXPECT_LE(study.size(), trials.size());
    for (std::size_t i = 0; i < study.size(); ++i) {
      const TrialRecord& trial = study.trial(static_cast<std::int64_t>(i)).record;
      if (trial.status != TrialStatus::running) expect_same(trial, trials[i]);
    }
    EXPECT_EQ(read(path()), whole.substr(0, end + 1));  // and its next writer goes on behind the last whole record
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    cut = std::min(cut, end + 1 + 9);  // one cut of each record
#else
    cut = std::min(cut, end + 1 + 97);
#endif
  }
}

TEST_F(JournalTest, ATrialThatIsRunAgainReportsAnew) {
  Journal journal(path(), "mine");
  journal.create_study("mine", {{"loss", Mode::min}});
  make_trials(journal, {{}});
  for (const std::int64_t step : {1, 2, 3, 2}) journal.add_report(0, {step, 10.0 * static_cast<double>(step)});
  journal.add_report(0, {3, 7});
  EXPECT_TRUE(journal.flush().empty());
  Journal again(path(), "mine");
  const TrialRecord& trial = again.known().trial(0).record;
  ASSERT_EQ(trial.reports.size(), 3U);
  EXPECT_EQ(trial.reports[2].value, 7);
  EXPECT_EQ(again.known().take_reports().size(), 5U);
}

TEST_F(JournalTest, NamesTheLineThatIsNone) {
  const std::string study = R"({"op_code":0,"study_name":"a","directions":[1]})"
                            "\n";
  const auto message = [&](const std::string& content) {
    write(path(), content);
    return message_of([&] { Journal(path(), "a"); });
  };
  EXPECT_THAT(message("hello\n"), HasSubstr("study.journal:1: this line is no record"));
  EXPECT_THAT(message(study + "{}\n"), HasSubstr("study.journal:2: this line is no record"));
  EXPECT_THAT(message(study + R"({"op_code":7,"trial_id":3,"step":1,"intermediate_value":1})"
                              "\n"),
              HasSubstr("there is no trial 3"));
  EXPECT_THAT(message(study + R"({"op_code":4,"study_id":0,"datetime_start":null,"params":{"x":1},"distributions":)"
                              R"({"x":"{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [1]}}"}})"
                              "\n"),
              HasSubstr("the choice of 'x' is none of its distribution's"));
}

TEST_F(JournalTest, AFullDiskIsSaidOnceAndWhatIsWrittenLaterIsWhole) {
  Journal journal(path(), "study");
  journal.create_study(std::string(5000, 'x'),
                       {{"loss", Mode::min}});  // beyond the limit's reach: what captures stderr
  EXPECT_TRUE(journal.flush().empty());
  ::testing::internal::CaptureStderr();
  {
    const FileLimit full(std::filesystem::file_size(path()) + 40);
    for (int i = 0; i < 3; ++i) make_trials(journal, {TrialRecord{.number = i}});
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("study.journal: cannot be written"));
  EXPECT_EQ(Journal(path(), "study").known().size(), 0U);
  make_trials(journal, {TrialRecord{.number = 3}});
  EXPECT_EQ(Journal(path(), "study").known().size(), 4U);
}

TEST_F(JournalTest, TrialsThatCouldNotBeWrittenKeepTheirNumbersOrEndTheStudy) {
  Journal journal(path(), "study");
  journal.create_study(std::string(5000, 'x'), {{"loss", Mode::min}});
  EXPECT_TRUE(journal.flush().empty());
  ::testing::internal::CaptureStderr();
  {
    const FileLimit full(std::filesystem::file_size(path()) + 40);
    make_trials(journal, {{}});
  }
  (void)::testing::internal::GetCapturedStderr();
  write_more(R"({"op_code":4,"worker_id":"b","study_id":0,"datetime_start":null})"
             "\n");
  EXPECT_THAT(message_of([&] { make_trials(journal, {TrialRecord{.number = 1}}); }),
              HasSubstr("another program has made trials while the disk was full"));
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
