Feature: Live updates

  Background:
    Given a match is on sale
    And Mina is logged in
    And Jun is a visitor

  Rule: Who looks at the map sees what happens

    Scenario: A seat on its way from free to sold
      Given Jun watches block 1
      Then Jun's map shows seats 3 and 4 as AVAILABLE
      When Mina holds seats 3 and 4
      Then Jun's map shows seats 3 and 4 as HOLD
      When Mina reserves them
      Then Jun's map shows seats 3 and 4 as PENDING
      When Mina pays for them
      Then Jun's map shows seats 3 and 4 as OCCUPIED

    Scenario: A seat that is given back
      Given Jun watches block 1
      When Mina holds seat 3
      Then Jun's map shows seat 3 as HOLD
      When Mina gives the seats back
      Then Jun's map shows seat 3 as AVAILABLE

    Scenario: Only the block that one looks at
      Given Jun watches block 2
      When Mina holds seat 3
      And Mina holds seat 21
      Then Jun gets only the change of seat 21
      And Jun's map has nothing of seat 3

    Scenario: Who comes later sees what has happened
      Given Mina holds seat 3
      And seat 3 shows as HOLD
      When Jun watches block 1
      Then Jun's map shows seat 3 as HOLD

    Scenario: The version only grows
      Given Jun watches block 1
      Then Jun's map gets newer and newer while Mina takes and gives back seat 3

  Rule: The whole match fits into one look

    Scenario: One letter for each seat
      Given Ada is the administrator
      And Mina has bought seat 1
      And Mina has reserved seat 12
      And Mina holds seat 20
      And Ada blocks seats 21 and 22
      Then the map of the whole match says:
        | 1 | OAAAAAAAAAAPAAAAAAAH |
        | 2 | BBAAA                |

    Scenario: The whole match, live
      Given Jun watches the whole match
      When Mina holds seats 20 and 21
      Then Jun's map shows seats 20 and 21 as HOLD

  Rule: Who looks is told of the sale as well

    Scenario: A sale that closes and opens again
      Given Ada is the administrator
      And Jun watches block 1
      When Ada closes the sale
      Then Jun is told that the match is CLOSED
      When Ada opens the sale
      Then Jun is told that the match is OPEN

  Rule: Who was away for a moment misses nothing

    Background:
      Given Jun watches block 1
      And Mina holds seat 3
      And Jun's map shows seat 3 as HOLD
      And Jun's connection breaks
      And Mina holds seats 5 and 6
      And seats 5 and 6 show as HOLD

    Scenario: The changes since then
      When Jun comes back to block 1 with the last event seen
      Then Jun gets only the changes of seats 5 and 6

    Scenario: The changes since then, where headers can't be set
      When Jun comes back to block 1 with the last event in the address
      Then Jun gets only the changes of seats 5 and 6

    Scenario: Who was away too long gets everything anew
      When Jun comes back to block 1 with an event that nobody knows
      Then Jun gets the whole block anew
      And Jun's map shows seats 3, 5 and 6 as HOLD
