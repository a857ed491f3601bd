// The workers of a session and what its last step ran, for the engine's own rooms.
#pragma once

#include <siskin/session.h>

#include "engine/exec/worker_team.h"
#include "engine/step.h"

namespace siskin {

WorkerTeam& team_of(Session& session);
const StepTrace& last_trace(Session& session);

}  // namespace siskin
