// The workers of a session, for the engine's own rooms.
#pragma once

#include <siskin/session.h>

#include "engine/exec/worker_team.h"

namespace siskin {

WorkerTeam& team_of(Session& session);

}  // namespace siskin
