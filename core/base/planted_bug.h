// Deliberate bugs, so that the simulator can prove that it would have found them.
//
// Only in builds with MANTA_PLANTED_BUGS (the simulator's own); elsewhere planted_bug() is a constant false and the
// compiler removes the branch. One bug is active at a time: set g_planted_bug before the run.
//
//   number  room   what goes wrong                                                     broken invariant
//   1       sched  CPUs released by a blocked worker are returned twice when it dies   resources conserved
//   2       sched  a worker whose lease came back while it counted as blocked is idle
//                  again when its late "unblocked" arrives, although leased anew       no lease doubly granted
//   3       sched  no lease_ended for a lease of a shape that was being asked back     tasks resolve exactly once
//   4       sched  the demand that waited for a worker is forgotten when the worker
//                  cannot be started                                                   quiescent at the end
//   5       owner  an attempt lost with its worker is not counted while a thread waits
//                  for the task                                                        OWN-2
//   6       owner  a task that has started in its ring is claimed all the same         OWN-4
//   7       owner  a borrower that released some of its references counts as one
//                  that holds nothing                                                  OWN-3
//   8       owner  what an attempt that threw has kept is not announced                OWN-3
//   9       owner  a release that comes after the entry was held again frees it        OWN-7
//   10      owner  a lease that was asked back is forgotten, not returned, when its
//                  last task ends                                                      OWN-5
//   11      owner  calls that had started when their actor's process died go behind
//                  those that had not                                                  OWN-10
//   12      owner  a caller of an actor is not notified where it restarts              OWN-1
//   13      owner  a cancelled task that throws is repeated                            OWN-14
#pragma once

namespace manta {

#ifdef MANTA_PLANTED_BUGS
inline int g_planted_bug = 0;  // 0: none
inline bool planted_bug(int number) { return g_planted_bug == number; }
#else
constexpr bool planted_bug(int) { return false; }
#endif

}  // namespace manta
