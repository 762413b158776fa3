Feature: Live updates

  Background:
    Given a match is on sale
    And Mina is logged in
    And Jun is a visitor

  Rule: People who look at the map see what happens

    Scenario: A seat on its way from free to sold
      Given Jun watches block 1
      Then Jun's map shows seats 3 and 4 as free
      When Mina holds seats 3 and 4
      Then Jun's map shows seats 3 and 4 as held
      When Mina reserves them
      Then Jun's map shows seats 3 and 4 as reserved
      When Mina pays for them
      Then Jun's map shows seats 3 and 4 as sold

    Scenario: A seat that is given back
      Given Jun watches block 1
      When Mina holds seat 3
      Then Jun's map shows seat 3 as held
      When Mina gives the seats back
      Then Jun's map shows seat 3 as free

    Scenario: A map gets only the changes of its own block
      Given Jun watches block 2
      When Mina holds seat 3
      And Mina holds seat 21
      Then Jun gets only the change of seat 21
      And Jun's map has nothing of seat 3

    Scenario: A fan who comes later sees what has happened
      Given Mina holds seat 3
      And seat 3 shows as held
      When Jun watches block 1
      Then Jun's map shows seat 3 as held

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
      Then Jun's map shows seats 20 and 21 as held

  Rule: People who look at the map also hear of the sale

    Scenario: A sale that closes and opens again
      Given Ada is the administrator
      And Jun watches block 1
      When Ada closes the sale
      Then Jun is told that the match is closed
      When Ada opens the sale
      Then Jun is told that the match is on sale

  Rule: A fan who was away for a moment misses nothing

    Background:
      Given Jun watches block 1
      And Mina holds seat 3
      And Jun's map shows seat 3 as held
      And Jun's connection breaks
      And Mina holds seats 5 and 6
      And seats 5 and 6 show as held

    Scenario: The changes since then
      When Jun comes back to block 1 with the last event seen
      Then Jun gets only the changes of seats 5 and 6

    Scenario: The changes since then, where headers can't be set
      When Jun comes back to block 1 with the last event in the address
      Then Jun gets only the changes of seats 5 and 6

    Scenario: A fan who was away too long gets the whole block
      When Jun comes back to block 1 with an event that nobody knows
      Then Jun gets the whole block
      And Jun's map shows seats 3, 5 and 6 as held
